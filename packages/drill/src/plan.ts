import type { ImageKind, TrainingKind, What } from './catalogue.ts';
import { between, chance, oneOf } from './chance.ts';

/** How a program ends before its time: at its n-th request to S3 or SQS, before or after the request takes effect. */
export interface Death {
  atRequest: number;
  when: 'before' | 'after';
  /** `stop`: SIGTERM, and `kill -9` after so many seconds if it has not ended by itself. */
  how: 'kill' | { stopNoticeSeconds: number };
  /** Until another is started in its place. */
  backSeconds: number;
}

export interface WorkerPlan {
  skewSeconds: number;
  slots: number;
  graceSeconds: number;
  maxVisibilitySeconds: number;
  /** Begins with no models on its disk. */
  empty: boolean;
  deaths: Death[];
}

export interface Ask {
  what: What;
  atSeconds: number;
  cancelAfterSeconds?: number;
  /** Whoever asks does not ask again when there was no answer. */
  once: boolean;
  /** Wants to be told of the end. */
  hook: boolean;
}

export interface BatchAsk {
  lines: number;
  atSeconds: number;
  cancelAfterSeconds?: number;
}

/** All that is going to happen, but for the fate of single requests (faults.ts). */
export interface Plan {
  seed: number;
  /** Of requests that something happens to. */
  faultShare: number;
  /** From then on nothing goes wrong any more. */
  calmAtSeconds: number;
  workers: WorkerPlan[];
  api: { skewSeconds: number; deaths: Death[] };
  /** The program that moves batches on and tells of ends. */
  consumers: { skewSeconds: number; deaths: Death[] };
  outages: { what: 's3' | 'sqs' | 'disk'; atSeconds: number; seconds: number }[];
  /** More than so many jobs at a time are refused, until one has ended. */
  unfinishedJobs: number;
  asks: Ask[];
  batches: BatchAsk[];
}

/** The schedule of a seed. */
export function planOf(seed: number): Plan {
  const n = (least: number, most: number, ...words: (string | number)[]) => between(least, most, seed, ...words);
  const likely = (share: number, ...words: (string | number)[]) => chance(seed, ...words) < share;
  const list = <T>(length: number, make: (i: number) => T) => Array.from({ length }, (_, i) => make(i));

  const deathsOf = (who: string, most: number, latest: number) =>
    list(n(0, most, who, 'deaths'), (i): Death => {
      const words = [who, 'death', i];
      return {
        atRequest: n(1, latest, ...words, 'at'),
        when: oneOf(['before', 'after'], seed, ...words, 'when'),
        how: likely(0.5, ...words, 'how') ? 'kill' : { stopNoticeSeconds: oneOf([30, 120], seed, ...words, 'notice') },
        backSeconds: n(1, 20, ...words, 'back'),
      };
    });

  const skew = (who: string) => (likely(0.3, who, 'skewed') ? n(-180, 180, who, 'skew') : 0);
  const kinds: [ImageKind, ...ImageKind[]] = ['plain', 'several', 'several', 'styled', 'again', 'spoilt'];
  const trainings: [TrainingKind, ...TrainingKind[]] = ['short', 'short', 'long', 'long', 'ruined'];
  const asks = [
    ...list(n(2, 5, 'images'), (i): What => ({ image: oneOf(kinds, seed, 'image', i) })),
    ...list(n(0, 2, 'trainings'), (i): What => ({ training: oneOf(trainings, seed, 'training', i) })),
    ...(likely(0.12, 'poisoned') ? [{ image: 'poisoned' } as const] : []),
    ...(likely(0.08, 'deadly') ? [{ training: 'deadly' } as const] : []),
  ].map((what, i): Ask => {
    const canceled = likely(0.2, 'cancel', i) ? { cancelAfterSeconds: n(0, 20, 'cancel after', i) } : {};
    return { what, atSeconds: n(0, 20, 'ask', i), once: likely(0.1, 'once', i), hook: likely(0.4, 'hook', i), ...canceled };
  });

  return {
    seed,
    faultShare: oneOf([0, 0.01, 0.03, 0.06, 0.1], seed, 'share'),
    calmAtSeconds: n(30, 80, 'calm'),
    workers: list(n(1, 2, 'workers'), (i) => ({
      skewSeconds: skew(`worker ${i}`),
      slots: n(1, 4, 'slots', i),
      graceSeconds: oneOf([0, 20, 100], seed, 'grace', i),
      maxVisibilitySeconds: likely(0.2, 'short-lived', i) ? n(8, 20, 'lives', i) : 41_400,
      empty: likely(0.05, 'empty', i),
      deaths: deathsOf(`worker ${i}`, 3, 50),
    })),
    api: { skewSeconds: skew('api'), deaths: deathsOf('api', 2, 40) },
    consumers: { skewSeconds: skew('consumers'), deaths: deathsOf('consumers', 3, 40) },
    outages: list(likely(0.4, 'outages') ? n(1, 2, 'outages') : 0, (i) => ({
      what: oneOf(['s3', 'sqs', 'disk'], seed, 'outage', i),
      atSeconds: n(1, 40, 'outage at', i),
      seconds: n(1, 20, 'outage for', i),
    })),
    unfinishedJobs: oneOf([200, 200, 3], seed, 'unfinished'),
    asks,
    batches: list(likely(0.3, 'batches') ? 1 : 0, (i) => ({
      lines: n(1, 6, 'batch', i, 'lines'),
      atSeconds: n(0, 20, 'batch', i),
      ...(likely(0.2, 'batch', i, 'cancel') ? { cancelAfterSeconds: n(0, 20, 'batch', i, 'cancel after') } : {}),
    })),
  };
}

/** Everything in the catalogue that can succeed, once, and nothing goes wrong: what all others are compared with. */
export const undisturbed: Plan = {
  seed: 0,
  faultShare: 0,
  calmAtSeconds: 0,
  workers: [{ skewSeconds: 0, slots: 4, graceSeconds: 0, maxVisibilitySeconds: 41_400, empty: false, deaths: [] }],
  api: { skewSeconds: 0, deaths: [] },
  consumers: { skewSeconds: 0, deaths: [] },
  outages: [],
  unfinishedJobs: 200,
  asks: [
    { training: 'short' } as const,
    { training: 'long' } as const,
    { image: 'plain' } as const,
    { image: 'several' } as const,
    { image: 'styled' } as const,
    { image: 'again' } as const,
  ].map((what) => ({ what, atSeconds: 0, once: false, hook: true })),
  batches: [{ lines: 3, atSeconds: 0 }],
};
