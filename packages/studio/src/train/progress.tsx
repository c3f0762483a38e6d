import type { TrainingRecord } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { duration } from '../numbers.ts';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

interface ProgressProps {
  job: TrainingRecord;
  onCancel: () => Promise<unknown>;
}

/** How far a training has come that goes on, and a way to stop it. */
export function Progress({ job, onCancel }: ProgressProps) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const [problem, setProblem] = useState<unknown>(null);
  const { request, status, progress, cancel_requested } = job;
  if (status !== 'queued' && status !== 'running') return null;
  const told =
    status === 'queued'
      ? [words.waiting]
      : [
          progress.step === 0 ? words.opening : words.step(progress.step, progress.total_steps),
          ...(progress.loss === null ? [] : [words.loss(progress.loss.toFixed(4))]),
          ...(progress.seconds_left === null ? [] : [words.left(duration(progress.seconds_left, language))]),
        ];
  return (
    <div>
      <Meter label={request.name} value={progress.step} of={status === 'queued' ? 0 : progress.total_steps} />
      <div class="row">
        <span class="quiet small">{told.join(' · ')}</span>
        <button
          type="button"
          class="plain small"
          disabled={cancel_requested}
          onClick={() => void onCancel().then(() => setProblem(null), setProblem)}
        >
          {cancel_requested ? words.canceling : words.cancel}
        </button>
      </div>
      <Problem error={problem} />
    </div>
  );
}
