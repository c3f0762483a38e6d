import { chargeAccount, closeEntry } from './account.ts';
import type { Account, Limits } from './port.ts';

/** Limits in this process's memory, for unit tests. */
export function memoryLimits(): Limits {
  const accounts = new Map<string, Account>();
  const find = (name: string): Account => accounts.get(name) ?? { counters: {}, open: [] };

  return {
    async charge(name, charge) {
      const charged = chargeAccount(find(name), charge);
      accounts.set(name, { counters: charged.counters, open: charged.open });
      return charged;
    },
    async close(name, entry, back = {}) {
      accounts.set(name, closeEntry(find(name), entry, back));
    },
    read: async (name) => find(name),
  };
}
