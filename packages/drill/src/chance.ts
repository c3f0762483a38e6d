import { createHash } from 'node:crypto';

/**
 * A number in [0, 1) that follows from the words alone. A fault is drawn with the name of what it befalls ("the third PUT of a
 * record by this worker"), not from a stream of numbers that whoever comes first takes: so the same seed brings the same faults
 * though threads and sockets never run twice in the same order.
 */
export function chance(...words: (string | number)[]): number {
  return createHash('sha256').update(words.join('\0')).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** A whole number from `least` to `most`, both included. */
export function between(least: number, most: number, ...words: (string | number)[]): number {
  return least + Math.floor(chance(...words) * (most - least + 1));
}

export function oneOf<T>(choices: readonly [T, ...T[]], ...words: (string | number)[]): T {
  return choices[between(0, choices.length - 1, ...words)] ?? choices[0];
}
