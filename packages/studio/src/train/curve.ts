/** A value of a step. */
export interface Point {
  step: number;
  value: number;
}

/** How much of the mean so far each next value leaves: about twenty steps, as the trainer smooths. */
const keep = 0.95;
/** More points than these are not told apart on a screen. */
const mostPoints = 240;

/** An exponential moving average, which begins at the first value. */
export function smoothed(points: readonly Point[]): Point[] {
  let mean: number | undefined;
  return points.map(({ step, value }) => {
    mean = mean === undefined ? value : keep * mean + (1 - keep) * value;
    return { step, value: mean };
  });
}

/** At most so many points, each the mean of as many neighbours, at the last one's step. */
export function thinned(points: readonly Point[], most = mostPoints): Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const some = points.slice(i * size, (i + 1) * size);
    return { step: some.at(-1)?.step ?? 0, value: some.reduce((sum, { value }) => sum + value, 0) / some.length };
  });
}

/** Round numbers from below the least value to above the greatest, about `count` of them: 1, 2 or 5 apart, times a power of ten. */
export function ticksOf(values: readonly number[], count = 4): number[] {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  const span = greatest - least || Math.abs(greatest) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const apart = power * ([1, 2, 5, 10].find((factor) => factor * power * count >= span) ?? 10);
  const first = Math.floor(least / apart);
  const last = Math.max(first + 1, Math.ceil(greatest / apart));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * apart).toPrecision(12)));
}
