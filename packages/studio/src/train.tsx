import type { Loraloom, TrainingRecord } from '@loraloom/client';
import { useEffect, useState } from 'preact/hooks';
import { captionOf, loraName, timeLeft } from './captions.ts';
import { explain } from './session.ts';

type ContentType = 'image/jpeg' | 'image/png' | 'image/webp';
const contentTypes: readonly string[] = ['image/jpeg', 'image/png', 'image/webp'];
const isContentType = (type: string): type is ContentType => contentTypes.includes(type);

interface Chosen {
  file: File;
  type: ContentType;
  preview: string;
  caption: string;
}

/** Pictures and what they show become a style. */
export function Train({ api, model, onTrained }: { api: Loraloom; model: string; onTrained: () => unknown }) {
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const [title, setTitle] = useState('');
  const [trigger, setTrigger] = useState('');
  const [sent, setSent] = useState<number>();
  const [jobs, setJobs] = useState<TrainingRecord[]>([]);
  const [problem, setProblem] = useState('');

  const follow = async (job: TrainingRecord) => {
    for await (const record of api.trainings.follow(job, { longestPauseSeconds: 1 }))
      setJobs((before) => [record, ...before.filter(({ id }) => id !== record.id)].toSorted(newest));
  };
  useEffect(() => {
    api.trainings
      .list({ limit: 12 })
      .then(({ data }) => Promise.all(data.map((job) => follow(job))))
      .catch((error) => setProblem(explain(error)));
  }, []);

  const choose = (files: Iterable<File>) => {
    const all = [...files];
    const pictures = all.flatMap((file) =>
      isContentType(file.type)
        ? { file, type: file.type, preview: URL.createObjectURL(file), caption: captionOf(file.name) }
        : [],
    );
    setProblem(
      pictures.length < all.length ? `${all.length - pictures.length} left out: JPEG, PNG or WebP pictures wanted.` : '',
    );
    setChosen((before) => [...before, ...pictures]);
  };

  const totalBytes = chosen.reduce((sum, { file }) => sum + file.size, 0);
  const start = async () => {
    setProblem('');
    try {
      const files = [];
      let before = 0;
      for (const { file, type, caption } of chosen) {
        const onProgress = (bytes: number) => setSent(before + bytes);
        const { id } = await api.files.upload(file, { name: file.name, contentType: type, onProgress });
        before += file.size;
        files.push({ file_id: id, caption });
      }
      const word = trigger.trim() ? { trigger_word: trigger.trim() } : {};
      const job = await api.trainings.create({ model, name: loraName(title), files, targets: 'attention+ff', ...word });
      setChosen([]);
      setSent(undefined);
      await follow(job);
      onTrained();
    } catch (error) {
      setProblem(explain(error));
      setSent(undefined);
    }
  };

  const caption = (place: number, text: string) =>
    setChosen((before) => before.map((one, i) => (i === place ? { ...one, caption: text } : one)));

  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          choose(event.dataTransfer?.files ?? []);
        }}
      >
        <label class="drop">
          Drop ten to fifty pictures in one style here, or choose them
          <input
            type="file"
            multiple
            accept={contentTypes.join(',')}
            onChange={(event) => choose(event.currentTarget.files ?? [])}
          />
        </label>
        {chosen.length > 0 && (
          <p class="quiet">Say what each picture shows, not how it is drawn: the style is what they share.</p>
        )}
        <ul class="captions">
          {chosen.map(({ preview, caption: text, file }, i) => (
            <li key={preview}>
              <img src={preview} alt="" width="56" height="56" />
              <input
                aria-label={`Caption of ${file.name}`}
                value={text}
                onInput={(event) => caption(i, event.currentTarget.value)}
              />
              <button
                type="button"
                aria-label={`Leave out ${file.name}`}
                onClick={() => setChosen(chosen.filter((_, j) => j !== i))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
        <div class="row">
          <label>
            Name of the style
            <input value={title} placeholder="ink drawings" onInput={(event) => setTitle(event.currentTarget.value)} />
          </label>
          <label>
            Trigger word (optional)
            <input value={trigger} maxLength={100} onInput={(event) => setTrigger(event.currentTarget.value)} />
          </label>
          <button type="submit" class="primary" disabled={chosen.length === 0 || loraName(title) === '' || sent !== undefined}>
            Train
          </button>
        </div>
        {sent !== undefined && (
          <p class="quiet">
            <progress max={totalBytes} value={sent} aria-label="Upload" /> {(sent / 1e6).toFixed(1)} of{' '}
            {(totalBytes / 1e6).toFixed(1)} MB
          </p>
        )}
        {problem && <p role="alert">{problem}</p>}
      </form>
      <section aria-label="Trainings" class="gallery">
        {jobs.map((job) => (
          <Progress
            job={job}
            key={job.id}
            onCancel={() => api.trainings.cancel(job.id).catch((error) => setProblem(explain(error)))}
          />
        ))}
      </section>
    </>
  );
}

const newest = (a: TrainingRecord, b: TrainingRecord) => (a.created_at < b.created_at ? 1 : -1);

function Progress({ job, onCancel }: { job: TrainingRecord; onCancel: () => unknown }) {
  const { request, status, progress, error } = job;
  const going = status === 'queued' || status === 'running';
  return (
    <article>
      <p>
        {request.name}{' '}
        <span class="quiet">
          · {request.files.length} pictures · {status}
        </span>
      </p>
      {going && (
        <p class="quiet">
          <progress max={progress.total_steps || 1} value={progress.step} aria-label={request.name} /> {progress.step} of{' '}
          {progress.total_steps} steps {progress.loss !== null && `· loss ${progress.loss.toFixed(4)}`} ·{' '}
          {timeLeft(progress.seconds_left)}{' '}
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        </p>
      )}
      {status === 'failed' && <p role="alert">{error?.message}</p>}
    </article>
  );
}
