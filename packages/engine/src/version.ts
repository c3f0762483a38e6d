/** Written into receipts: what made a picture. */
export const version = '0.1.0';
