import './train.css';
import type { TrainingRecord } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useJobs } from '../jobs.ts';
import { useLoaded } from '../load.ts';
import { bytes, duration } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Drop } from '../parts/drop.tsx';
import { Icon } from '../parts/icon.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { loraName } from '../registry.ts';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { captionOf } from './captions.ts';
import { trainWords } from './words.ts';

const contentTypes = ['image/jpeg', 'image/png', 'image/webp'];

interface Chosen {
  file: File;
  preview: string;
  caption: string;
}

/** Pictures and what they show become a style. */
export default function Train() {
  const api = useApi();
  const words = useWords(trainWords);
  const models = useLoaded((signal) => api.models.list({ signal }));
  const trainings = useJobs<TrainingRecord>({
    list: (page) => api.trainings.list(page),
    follow: (job, options) => api.trainings.follow(job, { ...options, longestPauseSeconds: 1 }),
    pageSize: 12,
  });
  if (!models.value) return models.problem ? <Problem error={models.problem} onRetry={models.reload} /> : <Arriving />;
  const model = models.value.data[0]?.name;
  return (
    <div class="page">
      <h1>{words.title}</h1>
      <p class="lead">{words.lead}</p>
      {model === undefined ? <p>{words.noModel}</p> : <NewTraining model={model} onAsked={trainings.show} />}
      <Problem error={trainings.problem} onRetry={trainings.retry} />
      <section class="stack" aria-label={words.trainings}>
        {trainings.jobs?.map((job) => (
          <Training job={job} key={job.id} onCancel={async () => trainings.show(await api.trainings.cancel(job.id))} />
        ))}
      </section>
    </div>
  );
}

function NewTraining({ model, onAsked }: { model: string; onAsked: (job: TrainingRecord) => void }) {
  const api = useApi();
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const [title, setTitle] = useState('');
  const [trigger, setTrigger] = useState('');
  const [leftOut, setLeftOut] = useState(0);
  const [sending, setSending] = useState<{ sentBytes: number; totalBytes: number }>();
  const [problem, setProblem] = useState<unknown>(null);

  const choose = (files: File[]) => {
    const pictures = files.filter(({ type }) => contentTypes.includes(type));
    setLeftOut(files.length - pictures.length);
    const more = pictures.map((file) => ({ file, preview: URL.createObjectURL(file), caption: captionOf(file.name) }));
    setChosen((before) => [...before, ...more]);
  };
  const start = async () => {
    setProblem(null);
    setSending({ sentBytes: 0, totalBytes: 0 });
    try {
      const files = chosen.map(({ file, caption }) => ({ picture: file, caption }));
      const word = trigger.trim() === '' ? {} : { trigger_word: trigger.trim() };
      const asked = { model, name: loraName(title), files, targets: 'attention+ff', ...word } as const;
      onAsked(await api.trainings.create(asked, { onUpload: setSending }));
      setChosen([]);
    } catch (error) {
      setProblem(error);
    }
    setSending(undefined);
  };

  return (
    <form
      class="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <Drop accept={contentTypes.join(',')} multiple onFiles={choose}>
        {words.drop}
      </Drop>
      {leftOut > 0 && <p role="alert">{words.leftOut(leftOut)}</p>}
      <ul class="captions">
        {chosen.map((one) => (
          <li key={one.preview}>
            <img src={one.preview} alt="" width="56" height="56" />
            <input
              aria-label={words.captionOf(one.file.name)}
              value={one.caption}
              onInput={({ currentTarget: { value: caption } }) =>
                setChosen((before) => before.map((other) => (other === one ? { ...one, caption } : other)))
              }
            />
            <button
              type="button"
              class="plain"
              aria-label={words.leave(one.file.name)}
              onClick={() => setChosen((before) => before.filter((other) => other !== one))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      <label class="field">
        {words.name}
        <input value={title} placeholder={words.nameExample} onInput={(event) => setTitle(event.currentTarget.value)} />
      </label>
      <label class="field">
        {words.trigger}
        <input value={trigger} maxLength={100} onInput={(event) => setTrigger(event.currentTarget.value)} />
      </label>
      {sending && (
        <div>
          <Meter label={words.train} value={sending.sentBytes} of={sending.totalBytes} />
          <p class="quiet small">{words.uploading(bytes(sending.sentBytes, language), bytes(sending.totalBytes, language))}</p>
        </div>
      )}
      <Problem error={problem} />
      <button type="submit" class="primary" disabled={chosen.length === 0 || loraName(title) === '' || sending !== undefined}>
        {words.train}
      </button>
    </form>
  );
}

function Training({ job, onCancel }: { job: TrainingRecord; onCancel: () => Promise<unknown> }) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const [problem, setProblem] = useState<unknown>(null);
  const { request, status, progress, error } = job;
  const going = status === 'queued' || status === 'running';
  const told = [
    words.step(progress.step, progress.total_steps),
    ...(progress.loss === null ? [] : [words.loss(progress.loss.toFixed(4))]),
    ...(progress.seconds_left === null ? [] : [words.left(duration(progress.seconds_left, language))]),
  ];
  return (
    <article class="card stack">
      <div>
        <h2>{request.name}</h2>
        <p class="quiet small">
          {words.pictures(request.files.length)} · {words.statuses[status]}
        </p>
      </div>
      {going && (
        <>
          <Meter label={request.name} value={progress.step} of={status === 'queued' ? 0 : progress.total_steps} />
          <div class="row">
            <span class="quiet small">{told.join(' · ')}</span>
            <button type="button" class="plain small" onClick={() => onCancel().catch(setProblem)}>
              {words.cancel}
            </button>
          </div>
        </>
      )}
      <Problem error={error} old />
      <Problem error={problem} />
    </article>
  );
}
