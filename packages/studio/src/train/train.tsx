import './train.css';
import type { TrainingRecord } from '@loraloom/client';
import type { RoomProps } from '../app.tsx';
import { useJobs } from '../jobs.ts';
import { useLoaded } from '../load.ts';
import { moment } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Problem } from '../parts/problem.tsx';
import { goTo, linkTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { NewTraining } from './new-training.tsx';
import { Progress } from './progress.tsx';
import { Training } from './training.tsx';
import { trainWords } from './words.ts';

/** Pictures and what they show become a style; `#/train/trn_…` is one training. */
export default function Train({ rest: [id] }: RoomProps) {
  return id === undefined ? <Trainings /> : <Training key={id} id={id} />;
}

function Trainings() {
  const api = useApi();
  const words = useWords(trainWords);
  const models = useLoaded((signal) => api.models.list({ signal }));
  const trainings = useJobs<TrainingRecord>({
    list: (page) => api.trainings.list(page),
    follow: (job, options) => api.trainings.follow(job, { ...options, longestPauseSeconds: 2 }),
    pageSize: 12,
  });
  const [first] = models.value?.data ?? [];
  const rows = (wanted: boolean) =>
    trainings.jobs
      ?.filter(({ status }) => (status === 'queued' || status === 'running') === wanted)
      .map((job) => <Row job={job} key={job.id} onCancel={async () => trainings.show(await api.trainings.cancel(job.id))} />);
  const [going, ended] = [rows(true), rows(false)];
  return (
    <div class="page">
      <h1>{words.title}</h1>
      <p class="lead">{words.lead}</p>
      {going && going.length > 0 && (
        <section class="stack" aria-label={words.going}>
          {going}
        </section>
      )}
      <Problem error={models.problem} onRetry={models.reload} />
      {!models.value && !models.problem && <Arriving />}
      {models.value && !first && <p>{words.noModel}</p>}
      {models.value && first && <NewTraining models={models.value.data} first={first} onAsked={({ id }) => goTo('train', id)} />}
      <Problem error={trainings.problem} onRetry={trainings.retry} />
      <section class="stack" aria-label={words.trainings}>
        {ended && ended.length > 0 && <h2>{words.trainings}</h2>}
        {ended}
        {trainings.more && (
          <button type="button" onClick={trainings.more}>
            {words.earlier}
          </button>
        )}
      </section>
    </div>
  );
}

function Row({ job, onCancel }: { job: TrainingRecord; onCancel: () => Promise<unknown> }) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const { request, status, error, created_at } = job;
  return (
    <article class="card stack tight">
      <div>
        <h3>
          <a href={linkTo('train', job.id)}>{request.name}</a>
        </h3>
        <p class="quiet small">
          {words.pictures(request.files.length)} · {words.statuses[status]} · {moment(created_at, language)}
        </p>
      </div>
      <Progress job={job} onCancel={onCancel} />
      <Problem error={error} old />
    </article>
  );
}
