import { type Random, randomFrom } from '../random.ts';

/** What an order is made of: each example's bucket, by the example's number, those of the prior pictures behind the others'. */
export interface Ordering {
  buckets: readonly string[];
  /** How many of them are examples; those behind are prior pictures. */
  examples: number;
  batchSize: number;
  seed: number;
}

/**
 * Which examples make up which batch, for ever: in each epoch every example comes once, in batches of pictures of one size, shuffled
 * anew; with prior pictures beside them as many of those, which take turns. An epoch's last batch of a size may be smaller.
 */
export function* batches({ buckets, examples, batchSize, seed }: Ordering): Generator<readonly number[], never> {
  const priors = buckets.length - examples;
  for (let epoch = 0; ; epoch++) {
    const random = randomFrom(seed, 2, epoch);
    const shown = Array.from({ length: examples }, (_, i) => i);
    if (priors > 0) {
      for (let i = 0; i < examples; i++) {
        const turn = epoch * examples + i;
        const order = shuffled(priors, randomFrom(seed, 6, Math.floor(turn / priors)));
        shown.push(examples + (order[turn % priors] ?? 0));
      }
    }
    const members = new Map<string, number[]>();
    for (const i of shuffled(shown.length, random)) {
      const example = shown[i] ?? 0;
      const bucket = buckets[example] ?? '';
      members.set(bucket, [...(members.get(bucket) ?? []), example]);
    }
    const epochs = [...members.values()].flatMap((ones) =>
      Array.from({ length: Math.ceil(ones.length / batchSize) }, (_, i) => ones.slice(i * batchSize, (i + 1) * batchSize)),
    );
    for (const i of shuffled(epochs.length, random)) yield epochs[i] ?? [];
  }
}

/** How many pictures every batch has, or null if some have fewer. */
export function batchOf({ buckets, examples, batchSize }: Ordering): number | null {
  if (new Set(buckets).size > 1) return null;
  const shown = buckets.length > examples ? 2 * examples : examples;
  if (shown <= batchSize) return shown;
  return shown % batchSize === 0 ? batchSize : null;
}

/** 0 … n − 1 in random order (Fisher–Yates). */
export function shuffled(n: number, random: Random): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}
