import type { Account, Charge, Charged } from './port.ts';

/** What charging makes of an account, where nobody else can change it meanwhile. */
export function chargeAccount(account: Account, { add, open }: Charge): Charged {
  const { counters } = account;
  if (open && account.open.includes(open.entry)) return { ...account, charged: true, repeated: true };
  const within = Object.entries(add).every(([counter, { n, limit }]) => (counters[counter] ?? 0) + n <= limit);
  if (!within || (open && account.open.length >= open.limit)) return { ...account, charged: false, repeated: false };
  return {
    counters: {
      ...counters,
      ...sums(
        counters,
        Object.entries(add).map(([counter, { n }]) => [counter, n]),
      ),
    },
    open: open ? [...account.open, open.entry] : account.open,
    charged: true,
    repeated: false,
  };
}

/** What closing an entry makes of an account, likewise. */
export function closeEntry({ counters, open }: Account, entry: string, back: Record<string, number>): Account {
  if (!open.includes(entry)) return { counters, open };
  return {
    counters: {
      ...counters,
      ...sums(
        counters,
        Object.entries(back).map(([counter, n]) => [counter, -n]),
      ),
    },
    open: open.filter((other) => other !== entry),
  };
}

function sums(counters: Record<string, number>, changes: [string, number][]): Record<string, number> {
  return Object.fromEntries(changes.map(([counter, n]) => [counter, (counters[counter] ?? 0) + n]));
}
