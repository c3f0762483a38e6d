import { type CallOptions, LoraloomError, type Page, type PageOptions } from '@loraloom/client';
import { useEffect, useRef, useState } from 'preact/hooks';

/** What every kind of job shows. */
interface Followed {
  id: string;
  created_at: string;
  status: string;
}

export interface JobSource<T extends Followed> {
  /** A page of them, newest first. */
  list: (options: PageOptions) => Promise<Page<T>>;
  /** Its record whenever it changes, until it is final. */
  follow: (job: T, options: CallOptions) => AsyncIterable<T>;
  /** Told of each job that ends while it is watched. */
  onEnd?: (job: T) => void;
  pageSize?: number;
}

export interface Jobs<T> {
  /** Newest first; undefined until the first page is there. */
  jobs: T[] | undefined;
  /** Fetches earlier ones; undefined where there are none. */
  more: (() => void) | undefined;
  /** A job that was just asked for, or a record that is newer: shown, and followed. */
  show: (job: T) => void;
  /** Makes what gets a job's record anew when its URLs have run out; at most once a minute for each. */
  refresh: (get: (job: T) => Promise<T>) => (job: T) => void;
  /** Why the list, or the latest record of a job in it, could not be had; asking goes on by itself. */
  problem: unknown;
  retry: () => void;
}

const pauseMilliseconds = 4000;
const freshMilliseconds = 60_000;
const ends = ['succeeded', 'failed', 'canceled'];
const going = (status: string) => !ends.includes(status);

/**
 * The jobs of a kind, as the API has them: what was asked for before a reload, or elsewhere, is among them, and whatever is
 * not done is followed until it is, though the line may break in between.
 */
export function useJobs<T extends Followed>({ list, follow, onEnd, pageSize = 24 }: JobSource<T>): Jobs<T> {
  const [known, setKnown] = useState<ReadonlyMap<string, T>>();
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const followed = useRef(new Set<string>());
  const refreshed = useRef(new Map<string, number>());
  /** The page that is being fetched. */
  const asked = useRef<string | null | undefined>(undefined);
  const end = useRef(new AbortController());
  const ended = useRef(onEnd);
  ended.current = onEnd;

  const keep = (jobs: readonly T[]) =>
    setKnown((before) => new Map([...(before ?? []), ...jobs.map((job) => [job.id, job] as const)]));

  async function followOne(job: T) {
    if (!going(job.status) || followed.current.has(job.id)) return;
    followed.current.add(job.id);
    const { signal } = end.current;
    for (let latest = job; !signal.aborted && going(latest.status); ) {
      try {
        for await (const record of follow(latest, { signal })) {
          latest = record;
          keep([record]);
          if (!going(record.status)) ended.current?.(record);
        }
        setProblem(null);
      } catch (error) {
        if (signal.aborted) return;
        setProblem(error);
        // Gone, or not this visitor's any more: asking again would not help.
        if (error instanceof LoraloomError && error.status >= 400 && error.status < 500 && error.status !== 429) break;
        await new Promise((resolve) => setTimeout(resolve, pauseMilliseconds));
      }
    }
    followed.current.delete(job.id);
  }

  const show = (job: T) => {
    keep([job]);
    void followOne(job);
  };

  async function load(after: string | null) {
    // Scrolling asks for a page as long as its end is in sight.
    if (asked.current === after) return;
    asked.current = after;
    try {
      const page = await list({ limit: pageSize, ...(after === null ? {} : { after }), signal: end.current.signal });
      setNext(page.next);
      setProblem(null);
      keep(page.data);
      for (const job of page.data) void followOne(job);
    } catch (error) {
      if (!end.current.signal.aborted) setProblem(error);
    }
    asked.current = undefined;
  }

  useEffect(() => {
    end.current = new AbortController();
    void load(null);
    return () => end.current.abort();
  }, []);

  return {
    jobs:
      known &&
      [...known.values()].sort((a, b) =>
        a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : a.id < b.id ? 1 : -1,
      ),
    more: next === null ? undefined : () => void load(next),
    show,
    refresh: (get) => (job) => {
      const now = Date.now();
      if (now - (refreshed.current.get(job.id) ?? Number.NEGATIVE_INFINITY) < freshMilliseconds) return;
      refreshed.current.set(job.id, now);
      get(job).then((record) => keep([record]), setProblem);
    },
    problem,
    retry: () => void load(known ? next : null),
  };
}
