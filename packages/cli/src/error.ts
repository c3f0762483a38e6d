/** The user's to mend: the message says what was wrong and what was wanted. */
export class UserError extends Error {}
