import { useEffect, useState } from 'preact/hooks';

export interface Loaded<T> {
  /** undefined until it is there; the one from before while it is fetched again. */
  value: T | undefined;
  problem: unknown;
  reload: () => void;
}

/** What a page needs before it can show anything; fetched anew when one of `keys` is another. */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[] = []): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const end = new AbortController();
    load(end.signal).then(
      (found) => {
        if (end.signal.aborted) return;
        setValue(() => found);
        setProblem(null);
      },
      (error) => {
        if (!end.signal.aborted) setProblem(error);
      },
    );
    return () => end.abort();
  }, [turn, ...keys]);
  return { value, problem, reload: () => setTurn((before) => before + 1) };
}
