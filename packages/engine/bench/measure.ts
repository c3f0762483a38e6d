/** The median of times. */
export const median = (times: readonly number[]): number =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;

/** Median milliseconds of each piece of work: all take turns, so that whatever else slows the machine slows them alike. */
export async function measure<Name extends string>(
  rounds: number,
  work: Readonly<Record<Name, () => Promise<unknown>>>,
): Promise<(name: Name) => number> {
  const times = new Map<string, number[]>();
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const name in work) {
      const begun = performance.now();
      await work[name]();
      if (round > 0) times.set(name, [...(times.get(name) ?? []), performance.now() - begun]);
    }
  }
  return (name) => median(times.get(name) ?? []);
}

export const show = (what: string, milliseconds: number, note = ''): void =>
  console.log(`  ${what.padEnd(46)} ${milliseconds.toFixed(1).padStart(10)} ms  ${note}`);
