/** A place where a word occurs: `text.slice(start, end)`. */
export interface Occurrence<T> {
  start: number;
  end: number;
  value: T;
}

type Entry<T> = readonly [word: string, value: T];

/**
 * Finds all words in a text at once. They are told apart by their first two characters, which leaves a few to compare at each
 * place: not linear as an automaton is (Aho and Corasick 1975), but ready many times sooner, which is what a function pays
 * that has just been started.
 */
export function openSearch<T>(words: Iterable<Entry<T>>): (text: string) => Occurrence<T>[] {
  const byStart = new Map<number, Map<number, Entry<T>[]>>();
  for (const entry of words) {
    const [first, second] = [entry[0].charCodeAt(0), entry[0].length > 1 ? entry[0].charCodeAt(1) : alone];
    const bySecond = byStart.get(first) ?? new Map<number, Entry<T>[]>();
    byStart.set(first, bySecond.set(second, [...(bySecond.get(second) ?? []), entry]));
  }
  return (text) => {
    const found: Occurrence<T>[] = [];
    const compare = (entries: readonly Entry<T>[] | undefined, start: number) => {
      if (!entries) return;
      for (const [word, value] of entries) {
        if (text.startsWith(word, start)) found.push({ start, end: start + word.length, value });
      }
    };
    for (let start = 0; start < text.length; start++) {
      const bySecond = byStart.get(text.charCodeAt(start));
      if (!bySecond) continue;
      compare(bySecond.get(alone), start);
      compare(bySecond.get(text.charCodeAt(start + 1)), start);
    }
    return found;
  };
}

/** In place of the second character of a word that has one only. */
const alone = -1;
