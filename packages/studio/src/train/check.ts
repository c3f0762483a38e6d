import { type Finding, LoraloomError, type TrainingCheck, type TrainingRequestInput } from '@loraloom/client';
import { useEffect, useState } from 'preact/hooks';
import { useApi } from '../session.tsx';

/** So long nothing is typed before what was typed is looked over. */
const pauseMilliseconds = 700;

export interface Checked {
  /** Of the latest draft that was looked over; undefined before there is one. */
  check: TrainingCheck | undefined;
  /** It is of an earlier draft than the one that is shown. */
  stale: boolean;
  /** Why it cannot be trained as it is. */
  problem: unknown;
  /** The file of the picture that this is about, if it is about one. */
  at: string | undefined;
  retry: () => void;
}

/** What the API's preflight finds in a training that is about to be asked for, and what it would take. */
export function useCheck(request: TrainingRequestInput): Checked {
  const api = useApi();
  const [found, setFound] = useState<{ of: string; check?: TrainingCheck; problem: unknown; at?: string | undefined }>();
  const [turn, setTurn] = useState(0);
  const of = JSON.stringify(request);
  const empty = request.files.length === 0;
  useEffect(() => {
    if (empty) {
      setFound(undefined);
      return;
    }
    const end = new AbortController();
    const { signal } = end;
    const look = async () => {
      try {
        // The name may still be missing; nothing that is found depends on it.
        const check = await api.trainings.check({ ...request, name: request.name || 'style' }, { signal });
        if (!signal.aborted) setFound({ of, check, problem: null });
      } catch (problem) {
        if (!signal.aborted) setFound({ of, problem, at: request.files[placeOf(problem)]?.file_id });
      }
    };
    const later = setTimeout(() => void look(), pauseMilliseconds);
    return () => {
      clearTimeout(later);
      end.abort();
    };
  }, [of, turn]);
  return {
    check: found?.check,
    stale: found?.of !== of,
    problem: found?.problem ?? null,
    at: found?.at,
    retry: () => setTurn((before) => before + 1),
  };
}

/** `files.3.file_id` → 3; NaN for what is about no picture. */
function placeOf(problem: unknown): number {
  const [, place] = /^files\.(\d+)\./.exec((problem instanceof LoraloomError && problem.param) || '') ?? [];
  return Number(place);
}

/** Findings by the file that they are about; those about the training as a whole under null. */
export const byFile = (check: TrainingCheck | undefined): Map<string | null, Finding[]> =>
  Map.groupBy(check?.findings ?? [], ({ file }) => check?.request.files[file?.index ?? Number.NaN]?.file_id ?? null);
