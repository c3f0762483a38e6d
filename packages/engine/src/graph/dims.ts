/** A dimension: a size, or `null` where it is known only at run time. */
export type Dim = number | null;

/** How many elements there are of such sizes. */
export const total = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

/** Whether all sizes are known before run time. */
export const isStatic = (dims: readonly Dim[]): dims is readonly number[] => dims.every((dim) => dim !== null);

/** The dimensions of `op`'s result over two tensors that it broadcasts, as NumPy does. @throws if they do not go together */
export function broadcast(a: readonly Dim[], b: readonly Dim[], op: string): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length];
    const y = b[i - rank + b.length];
    if (x === undefined) return y ?? null;
    if (y === undefined || y === 1) return x;
    if (x === 1) return y;
    if (x !== null && y !== null && x !== y) throw new Error(`${op}: [${a}] and [${b}] do not broadcast`);
    return x ?? y;
  });
}
