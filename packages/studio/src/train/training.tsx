import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { moment } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Facts } from '../parts/facts.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { linkTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { Checkpoints } from './checkpoints.tsx';
import { Curves } from './curves.tsx';
import { GoOn } from './go-on.tsx';
import { Progress } from './progress.tsx';
import { Publish } from './publish.tsx';
import { useTraining } from './watched.ts';
import { trainWords } from './words.ts';

/** One training: how it goes, what it draws on the way, and what becomes of it. */
export function Training({ id }: { id: string }) {
  const api = useApi();
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const { training, losses, problem, reload, refresh } = useTraining(id);
  const { busy, problem: failed, attempt } = useAttempt();
  const [picked, setPicked] = useState<number>();
  const download = async (step: number) => {
    const { checkpoints } = await api.trainings.get(id);
    const kept = checkpoints.find((one) => one.step === step);
    // The bucket says that it is a file to keep: the page stays.
    if (kept) location.assign(kept.url);
  };
  const back = (
    <a class="back" href={linkTo('train')}>
      <Icon name="left" /> {words.back}
    </a>
  );
  if (!training)
    return (
      <div class="page">
        {back}
        {problem ? <Problem error={problem} onRetry={reload} /> : <Arriving />}
      </div>
    );
  const { request, status, error, checkpoints, best_step, output } = training;
  const ended = status !== 'queued' && status !== 'running';
  const step = picked ?? best_step ?? checkpoints.at(-1)?.step;
  const checkpoint = checkpoints.find((one) => one.step === step);
  return (
    <div class="page">
      {back}
      <div>
        <h1>{request.name}</h1>
        <p class="lead" role="status">
          {words.pictures(request.files.length)} · {words.statuses[status]}
        </p>
      </div>
      <Problem error={problem} onRetry={reload} />
      <section class="card stack" aria-label={words.progress}>
        <Progress
          job={training}
          onCancel={async () => {
            await api.trainings.cancel(id);
            reload();
          }}
        />
        <Problem error={error} old />
        {output && (
          <p class="row">
            <a class="button strong" href={linkTo('create', output.lora.name)}>
              {words.use}
            </a>
            <a class="button" href={linkTo('library', output.lora.name)}>
              {words.inLibrary}
            </a>
          </p>
        )}
        <Curves training={training} losses={losses} />
        <Facts
          rows={[
            [words.model, request.model],
            [words.trigger, request.trigger_word ?? ''],
            [words.steps, `${request.steps}`],
            [words.rank, `${request.rank}`],
            [words.begun, moment(training.started_at ?? training.created_at, language)],
          ]}
        />
      </section>
      {(checkpoints.length > 0 || training.samples.length > 0) && (
        <section class="card stack" aria-label={words.checkpoints}>
          <div>
            <h2>{words.checkpoints}</h2>
            <p class="quiet small">{best_step === null ? words.pickHint : words.bestHint(best_step)}</p>
          </div>
          <Checkpoints training={training} chosen={step} onChoose={setPicked} onStale={refresh} />
          {checkpoint && (
            <p>
              <button type="button" disabled={busy} onClick={() => void attempt(() => download(checkpoint.step))}>
                <Icon name="download" /> {words.download(checkpoint.step)}
              </button>
            </p>
          )}
          <Problem error={failed} />
        </section>
      )}
      {checkpoint && (
        <section class="card">
          <Publish key={checkpoint.step} training={training} step={checkpoint.step} />
        </section>
      )}
      {ended && (
        <section class="card">
          <GoOn training={training} step={checkpoint?.step} />
        </section>
      )}
    </div>
  );
}
