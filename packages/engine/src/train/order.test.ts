import { describe, expect, it } from 'vitest';
import { batches, batchOf, type Ordering } from './order.ts';

const take = (ordering: Ordering, count: number) => {
  const order = batches(ordering);
  return Array.from({ length: count }, () => order.next().value);
};
const same = (count: number) => Array.from({ length: count }, () => 'square');

describe('batches', () => {
  it('show every example once an epoch, in another order each time', () => {
    const order = take({ buckets: same(5), examples: 5, batchSize: 2, seed: 1 }, 12);
    const epochs = [0, 1, 2, 3].map((i) => order.slice(3 * i, 3 * i + 3).flat());
    for (const epoch of epochs) expect(epoch.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(1);
    // The small batch is not always the last.
    expect(order.filter(({ length }) => length === 1).length).toBe(4);
  });

  it('hold pictures of one size', () => {
    const buckets = ['wide', 'tall', 'wide', 'tall', 'tall', 'wide', 'wide'];
    const order = take({ buckets, examples: 7, batchSize: 2, seed: 3 }, 40);
    for (const batch of order) expect(new Set(batch.map((i) => buckets[i])).size).toBe(1);
    // Two batches of each size in each epoch
    expect(order.slice(0, 4).flat().toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    // Neither size always comes first.
    const firsts = Array.from({ length: 10 }, (_, i) => buckets[order[4 * i]?.[0] ?? -1]);
    expect(new Set(firsts).size).toBe(2);
  });

  it('put as many prior pictures beside the examples, which take turns', () => {
    const order = take({ buckets: same(7), examples: 3, batchSize: 3, seed: 1 }, 8);
    const epochs = [0, 1, 2, 3].map((i) => order.slice(2 * i, 2 * i + 2).flat());
    for (const epoch of epochs) {
      expect(epoch.filter((i) => i < 3).toSorted()).toEqual([0, 1, 2]);
      expect(epoch.filter((i) => i >= 3).length).toBe(3);
    }
    // Twelve turns of four: three each.
    const turns = epochs.flat().filter((i) => i >= 3);
    expect([3, 4, 5, 6].map((i) => turns.filter((other) => other === i).length)).toEqual([3, 3, 3, 3]);
  });

  it('show what is repeated as often as that, and let prior pictures have as many turns', () => {
    const ordering = { buckets: same(5), repeats: [3, 1, 2, 2, 1], examples: 3, batchSize: 4, seed: 1 };
    const order = take(ordering, 9);
    const epochs = [0, 1, 2].map((i) => order.slice(3 * i, 3 * i + 3).flat());
    for (const epoch of epochs) expect(epoch.filter((i) => i < 3).toSorted()).toEqual([0, 0, 0, 1, 2, 2]);
    // Eighteen turns of three: twelve of the one that has two, six of the other.
    expect([3, 4].map((i) => epochs.flat().filter((other) => other === i).length)).toEqual([12, 6]);
  });

  it.each<[Partial<Ordering>, number | null]>([
    [{ buckets: same(6), examples: 6, batchSize: 3 }, 3],
    [{ buckets: same(6), examples: 6, batchSize: 4 }, null],
    [{ buckets: same(3), examples: 3, batchSize: 4 }, 3],
    [{ buckets: same(5), examples: 3, batchSize: 2 }, 2],
    [{ buckets: same(2), repeats: [3, 2], examples: 2, batchSize: 5 }, 5],
    [{ buckets: same(2), repeats: [3, 2], examples: 2, batchSize: 2 }, null],
    [{ buckets: ['wide', 'wide', 'tall', 'tall'], examples: 4, batchSize: 2 }, null],
  ])('are of one size, or not: %o', (changes, wanted) => {
    const ordering = { buckets: same(1), examples: 1, batchSize: 1, seed: 1, ...changes };
    expect(batchOf(ordering)).toBe(wanted);
    if (wanted !== null) expect(new Set(take(ordering, 20).map(({ length }) => length))).toEqual(new Set([wanted]));
  });

  it('differ with the seed', () => {
    const [a, b] = [1, 2].map((seed) => String(take({ buckets: same(9), examples: 9, batchSize: 1, seed }, 9)));
    expect(a).not.toBe(b);
  });
});
