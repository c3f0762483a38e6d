/**
 * What has been used up. An *account* holds counters, each charged up to a limit, and a set of open entries, bounded in
 * number. Every change of an account is atomic, however many processes make one at once. Names and entries are short text.
 */
export interface Limits {
  /**
   * Charges an account: all of it, or nothing if any part would exceed its limit. An entry that is open has been charged for:
   * charging it again changes nothing.
   */
  charge(account: string, charge: Charge): Promise<Charged>;
  /**
   * Closes an entry; it is no error if it is not open.
   * @param back what is taken off the counters if it was: it came to nothing
   */
  close(account: string, entry: string, back?: Record<string, number>): Promise<void>;
  read(account: string): Promise<Account>;
}

export type Charge = {
  /** What is added to which counters, and how far each may grow by it. */
  add: Record<string, { n: number; limit: number }>;
  /** Opened with it, if fewer than `limit` are open. */
  open?: { entry: string; limit: number };
  /** When the account may be forgotten, in seconds since 1970; default: never. */
  expiresAt?: number;
};

/** The account as it stands afterwards; `repeated`: it had been charged before. */
export type Charged = Account & { charged: boolean; repeated: boolean };

/** A counter that was never charged is not there. */
export type Account = { counters: Record<string, number>; open: string[] };
