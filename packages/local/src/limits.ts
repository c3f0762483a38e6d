import { chargeAccount, closeEntry } from '@loraloom/jobs/limits/account';
import type { Account, Limits } from '@loraloom/jobs/limits/port';
import { z } from 'zod';
import { openDatabase, transaction } from './database.ts';

/** `account` is JSON; `expires_at` in seconds since 1970. */
const schema = `
  CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, account TEXT NOT NULL, expires_at REAL) STRICT;
  CREATE INDEX IF NOT EXISTS expiry ON accounts (expires_at)`;

const rowSchema = z.object({ account: z.string(), expires_at: z.number().nullable() });
const accountSchema = z.object({ counters: z.record(z.string(), z.number()), open: z.array(z.string()) });

/** Limits in a SQLite file: an account is a row, a change of it a transaction. */
export function openLimits(file: string): Limits & { end(): void } {
  const database = openDatabase(file, schema, 1);
  // A request's count need not outlive a power cut, and should not wait for the disk; the process's death it outlives all the same.
  database.exec('PRAGMA synchronous = NORMAL');
  const select = database.prepare('SELECT account, expires_at FROM accounts WHERE name = ?');
  const replace = database.prepare('INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)');
  const removeExpired = database.prepare('DELETE FROM accounts WHERE expires_at < ?');

  function find(name: string): { account: Account; expiresAt: number | null } {
    const row = select.get(name);
    if (!row) return { account: { counters: {}, open: [] }, expiresAt: null };
    const { account, expires_at } = rowSchema.parse(row);
    return { account: accountSchema.parse(JSON.parse(account)), expiresAt: expires_at };
  }
  const write = (name: string, { counters, open }: Account, expiresAt: number | null) =>
    replace.run(name, JSON.stringify({ counters, open }), expiresAt);

  return {
    charge: async (name, charge) =>
      transaction(database, () => {
        removeExpired.run(Date.now() / 1000);
        const { account, expiresAt } = find(name);
        const charged = chargeAccount(account, charge);
        if (charged.charged && !charged.repeated) write(name, charged, charge.expiresAt ?? expiresAt);
        return charged;
      }),

    close: async (name, entry, back = {}) =>
      transaction(database, () => {
        const { account, expiresAt } = find(name);
        write(name, closeEntry(account, entry, back), expiresAt);
      }),

    read: async (name) => find(name).account,

    end: () => database.close(),
  };
}
