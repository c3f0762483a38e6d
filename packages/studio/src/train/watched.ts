import { LoraloomError, type TrainingEvent, type TrainingView } from '@loraloom/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useApi } from '../session.tsx';

/** Between two looks at a training that goes on. */
const pauseMilliseconds = 1500;
/** After one that failed: the line may be there again. */
const longPauseMilliseconds = 4000;
/** So often fresh URLs are fetched, at most. */
const freshMilliseconds = 60_000;

export interface Watched {
  /** With URLs of its checkpoints and samples; undefined until it is there. */
  training: TrainingView | undefined;
  /** Loss by step. A step that was taken again after a crash counts as it was the last time. */
  losses: ReadonlyMap<number, number>;
  /** Why the latest of it could not be had; asking goes on by itself, unless it is not there. */
  problem: unknown;
  /** Gets it anew. */
  reload: () => void;
  /** Gets fresh URLs for those that have run out. */
  refresh: () => void;
}

type Step = Extract<TrainingEvent, { type: 'step' }>;

/** A training and what has happened in it from its begin on, until it has ended, though the line may break in between. */
export function useTraining(id: string): Watched {
  const api = useApi();
  const [training, setTraining] = useState<TrainingView>();
  const [losses, setLosses] = useState<ReadonlyMap<number, number>>(new Map());
  const [problem, setProblem] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  /** Where the events that are known end. */
  const known = useRef<string | undefined>(undefined);
  /** Of samples, by step and index: the URL that a picture came by stays, or it would come again at each look. */
  const urls = useRef(new Map<string, string>());
  const refreshed = useRef(Number.NEGATIVE_INFINITY);

  useEffect(() => {
    const end = new AbortController();
    const { signal } = end;
    const urlOf = ({ step, index, url }: TrainingView['samples'][number]) => {
      const before = urls.current.get(`${step} ${index}`) ?? url;
      urls.current.set(`${step} ${index}`, before);
      return before;
    };
    const readEvents = async () => {
      for (;;) {
        const after = known.current;
        const { data, next } = await api.trainings.events(id, { signal, ...(after === undefined ? {} : { after }) });
        if (data.length === 0 || signal.aborted) return;
        known.current = next ?? undefined;
        const steps = data.filter((event): event is Step => event.type === 'step');
        setLosses((before) => new Map([...before, ...steps.map(({ step, loss }) => [step, loss] as const)]));
      }
    };
    const watch = async () => {
      while (!signal.aborted) {
        let pause = pauseMilliseconds;
        try {
          // Before the events: whatever happened was told before it ended.
          const view = await api.trainings.get(id, { signal });
          await readEvents();
          if (signal.aborted) return;
          setTraining({ ...view, samples: view.samples.map((sample) => ({ ...sample, url: urlOf(sample) })) });
          setProblem(null);
          if (view.status !== 'queued' && view.status !== 'running') return;
        } catch (error) {
          if (signal.aborted) return;
          setProblem(error);
          if (error instanceof LoraloomError && error.status === 404) return;
          pause = longPauseMilliseconds;
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    };
    void watch();
    return () => end.abort();
  }, [turn]);

  const reload = () => setTurn((before) => before + 1);
  const refresh = () => {
    const now = Date.now();
    if (now - refreshed.current < freshMilliseconds) return;
    refreshed.current = now;
    urls.current.clear();
    reload();
  };
  return { training, losses, problem, reload, refresh };
}
