import type { Picture } from '@loraloom/engine';

/**
 * A picture as planes of `side` × `side` in 0 … 1, `[3, side, side]`, squeezed if it is not square so that none of it is lost.
 * Enlarging is bilinear from corner to corner, as nsfwjs does it. Reducing takes the mean of all that falls on a pixel instead
 * of a few samples: a picture must not look otherwise here than to whoever sees it in full.
 */
export function toPlanes({ width, height, data }: Picture, side: number): Float32Array<ArrayBuffer> {
  const across = taps(width, side);
  const down = taps(height, side);
  // Rows first: [height, side, 3].
  const narrow = new Float32Array(height * side * 3);
  for (let y = 0; y < height; y++) {
    for (const [x, { first, weights }] of across.entries()) {
      for (const [i, weight] of weights.entries()) {
        const from = (y * width + first + i) * 3;
        const to = (y * side + x) * 3;
        for (let c = 0; c < 3; c++) narrow[to + c] = (narrow[to + c] ?? 0) + weight * (data[from + c] ?? 0);
      }
    }
  }
  const planes = new Float32Array(3 * side * side);
  for (const [y, { first, weights }] of down.entries()) {
    for (const [i, weight] of weights.entries()) {
      for (let x = 0; x < side; x++) {
        for (let c = 0; c < 3; c++) {
          const to = (c * side + y) * side + x;
          planes[to] = (planes[to] ?? 0) + (weight / 255) * (narrow[((first + i) * side + x) * 3 + c] ?? 0);
        }
      }
    }
  }
  return planes;
}

interface Taps {
  first: number;
  weights: number[];
}

/** For each of `to` pixels of a line: which of `from` pixels it is made of, and how much of each. */
function taps(from: number, to: number): Taps[] {
  return Array.from({ length: to }, (_, i): Taps => {
    if (from <= to) {
      const at = to === 1 ? 0 : (i * (from - 1)) / (to - 1);
      const first = Math.min(Math.floor(at), Math.max(0, from - 2));
      return { first, weights: from === 1 ? [1] : [1 - (at - first), at - first] };
    }
    const [begin, end] = [(i * from) / to, ((i + 1) * from) / to];
    const first = Math.floor(begin);
    const count = Math.ceil(end) - first;
    const weights = Array.from({ length: count }, (__, j) => Math.min(end, first + j + 1) - Math.max(begin, first + j));
    return { first, weights: weights.map((weight) => (weight * to) / from) };
  });
}
