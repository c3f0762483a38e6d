import { type Random, randomFrom } from '../random.ts';

/** What an order is made of: each example's bucket, by the example's number, those of the prior pictures behind the others'. */
export interface Ordering {
  buckets: readonly string[];
  /** How often an epoch shows each of them; prior pictures have as many turns. Default: once. */
  repeats?: readonly number[];
  /** How many of them are examples; those behind are prior pictures. */
  examples: number;
  batchSize: number;
  seed: number;
}

/**
 * Which examples make up which batch, for ever: in each epoch every example comes as often as it is repeated, in batches of pictures of one size, shuffled
 * anew; with prior pictures beside them as many of those, which take turns. An epoch's last batch of a size may be smaller.
 */
export function* batches({ buckets, repeats, examples, batchSize, seed }: Ordering): Generator<readonly number[], never> {
  const places = placesOf({ buckets, repeats, examples });
  for (let epoch = 0; ; epoch++) {
    const random = randomFrom(seed, 2, epoch);
    const shown = [...places.examples];
    const priors = places.priors.length;
    for (let i = 0; priors > 0 && i < places.examples.length; i++) {
      const turn = epoch * places.examples.length + i;
      const order = shuffled(priors, randomFrom(seed, 6, Math.floor(turn / priors)));
      shown.push(places.priors[order[turn % priors] ?? 0] ?? 0);
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
export function batchOf({ buckets, repeats, examples, batchSize }: Ordering): number | null {
  if (new Set(buckets).size > 1) return null;
  const places = placesOf({ buckets, repeats, examples });
  const shown = places.priors.length > 0 ? 2 * places.examples.length : places.examples.length;
  if (shown <= batchSize) return shown;
  return shown % batchSize === 0 ? batchSize : null;
}

/** The numbers of the examples, and of the prior pictures, each as often as it is repeated. */
function placesOf({
  buckets,
  repeats = [],
  examples,
}: Pick<Ordering, 'buckets' | 'examples'> & { repeats: Ordering['repeats'] | undefined }) {
  const from = (begin: number, end: number) =>
    Array.from({ length: end - begin }, (_, i) => Array.from({ length: repeats[begin + i] ?? 1 }, () => begin + i)).flat();
  return { examples: from(0, examples), priors: from(examples, buckets.length) };
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
