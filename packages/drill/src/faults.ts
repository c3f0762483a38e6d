import { chance } from './chance.ts';

/** What may befall a request on its way. */
export type Fault =
  | 'request lost'
  | 'answer lost'
  | 'error before effect'
  | 'error after effect'
  | 'unavailable'
  | 'request late'
  | 'answer late'
  | 'no answer ever'
  | 'sent twice'
  | 'stale read'
  | 'visibility expired';

/** What a request is, for the odds: its line's name, and what it does. */
export interface Kind {
  /** `PUT record`, `SendMessage`, `POST images`. */
  label: string;
  /** The sender gives up on an answer that never comes. */
  patient: boolean;
}

const always: readonly Fault[] = [
  'request lost',
  'answer lost',
  'error before effect',
  'error after effect',
  'unavailable',
  'request late',
  'answer late',
];

function possible({ label, patient }: Kind): readonly Fault[] {
  return [
    ...always,
    ...(patient ? [] : (['no answer ever'] as const)),
    ...(/^(PUT|SendMessage)/.test(label) ? (['sent twice', 'sent twice'] as const) : []),
    ...(label === 'GET record' ? (['stale read', 'stale read', 'stale read'] as const) : []),
    ...(label === 'ReceiveMessage' ? (['visibility expired', 'visibility expired', 'visibility expired'] as const) : []),
  ];
}

/** The odds of a schedule. */
export type Faults = ReturnType<typeof faultsOf>;

/** @param share of requests that something happens to, 0…1 */
export function faultsOf(seed: number, share: number) {
  const counts = new Map<string, number>();
  let over = false;
  const injected: Record<string, number> = {};
  return {
    /** How many there were of each kind. */
    injected,
    /** For what is not a request's fate: a death, a full disk. */
    count(name: string): void {
      injected[name] = (injected[name] ?? 0) + 1;
    },
    /** From now on all is well. */
    end(): void {
      over = true;
    },
    /** What happens to the next request of this kind on this line. */
    next(line: string, kind: Kind): Fault | undefined {
      const n = (counts.get(`${line} ${kind.label}`) ?? 0) + 1;
      counts.set(`${line} ${kind.label}`, n);
      const words = [seed, line, kind.label, n];
      if (over || chance(...words) >= share) return undefined;
      const faults = possible(kind);
      return faults[Math.floor(chance(...words, 'which') * faults.length)];
    },
  };
}

/** How late what is late comes, in seconds: mostly a little, sometimes longer than a message stays hidden. */
export function lateSeconds(seed: number, line: string, label: string, n: number): number {
  return 0.2 * 300 ** chance(seed, line, label, n, 'late');
}
