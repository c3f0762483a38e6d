import type { TrainingRecord, TrainingView } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Problem } from '../parts/problem.tsx';
import { goTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

interface GoOnProps {
  training: TrainingView;
  /** Of the checkpoint to go on from; undefined where there is none. */
  step: number | undefined;
}

/** A training that has ended goes on in a new one: from a checkpoint, or from its beginning where it left none. */
export function GoOn({ training, step }: GoOnProps) {
  const api = useApi();
  const words = useWords(trainWords);
  const { busy, problem, attempt } = useAttempt();
  const { request, status, id } = training;
  // What broke off is to be completed.
  const missing = status !== 'succeeded' && step !== undefined ? request.steps - step : 0;
  const [more, setMore] = useState<number>();
  const steps = more ?? (missing > 0 ? missing : Math.ceil(request.steps / 2));
  const start = (ask: () => Promise<TrainingRecord>) => attempt(async () => goTo('train', (await ask()).id));

  if (step === undefined)
    return (
      <div class="stack tight">
        <p>
          <button type="button" disabled={busy} onClick={() => void start(() => api.trainings.create(again(request)))}>
            {words.again}
          </button>
        </p>
        <Problem error={problem} />
      </div>
    );
  return (
    <form
      class="stack tight"
      aria-label={words.goOn}
      onSubmit={(event) => {
        event.preventDefault();
        const save_steps = Math.ceil(steps / 5);
        const changes = { steps, save_steps, sample_every_n_steps: save_steps };
        void start(() => api.trainings.continue(id, changes, { step }));
      }}
    >
      <h2>{missing > 0 ? words.resumeTitle(step) : words.goOnTitle(step)}</h2>
      <div class="row">
        <label class="row">
          {words.moreSteps}
          <input
            type="number"
            class="short"
            min="1"
            max="100000"
            value={steps}
            onInput={({ currentTarget: { valueAsNumber } }) =>
              setMore(valueAsNumber >= 1 ? Math.round(valueAsNumber) : undefined)
            }
          />
        </label>
        <button type="submit" disabled={busy}>
          {missing > 0 ? words.resume : words.goOn}
        </button>
      </div>
      <Problem error={problem} />
    </form>
  );
}

/** The same request once more; in the record the steps say what the epochs came to. */
function again({ epochs: _, save_every_n_epochs: __, sample_every_n_epochs: ___, ...request }: TrainingRecord['request']) {
  return request;
}
