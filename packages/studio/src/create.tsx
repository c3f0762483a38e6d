import type { ImageView, Loraloom, LoraRecord } from '@loraloom/client';
import { useEffect, useState } from 'preact/hooks';
import { timeLeft } from './captions.ts';
import { explain } from './session.ts';

const examples = [
  'red apple, blue background',
  'sunflower, pink background',
  'rocket, white background',
  'cat, green background',
];

/** A prompt, a style and how strongly it counts; below, everything that was made, newest first. */
export function Create({ api, model, styles }: { api: Loraloom; model: string; styles: readonly LoraRecord[] }) {
  const [prompt, setPrompt] = useState(examples[0] ?? '');
  const [style, setStyle] = useState<string>();
  const [weight, setWeight] = useState(1);
  const [count, setCount] = useState(2);
  const [jobs, setJobs] = useState<ImageView[]>([]);
  const [problem, setProblem] = useState('');

  const show = (job: ImageView) => setJobs((before) => [job, ...before.filter(({ id }) => id !== job.id)].toSorted(newest));
  const follow = async (job: ImageView) => {
    for await (const record of api.images.follow(job, { longestPauseSeconds: 1 })) show(record);
  };
  useEffect(() => {
    // A reload finds what was asked for before it, and goes on watching what is not done.
    api.images
      .list({ limit: 24 })
      .then(({ data }) => Promise.all(data.map((job) => follow(job))))
      .catch((error) => setProblem(explain(error)));
  }, []);

  const make = async () => {
    setProblem('');
    try {
      const loras = style ? [{ name: style, weight }] : [];
      await follow(await api.images.create({ model, prompt, n: count, loras }));
    } catch (error) {
      setProblem(explain(error));
    }
  };

  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <label>
          What should be in the picture?
          <input value={prompt} maxLength={2000} onInput={(event) => setPrompt(event.currentTarget.value)} />
        </label>
        <p class="examples">
          {examples.map((example) => (
            <button type="button" key={example} onClick={() => setPrompt(example)}>
              {example}
            </button>
          ))}
        </p>
        <fieldset>
          <legend>Style</legend>
          {[undefined, ...styles.map(({ name }) => name)].map((name) => (
            <label class="choice" key={name ?? ''}>
              <input type="radio" name="style" checked={style === name} onChange={() => setStyle(name)} />
              {name ?? 'none'}
            </label>
          ))}
        </fieldset>
        <div class="row">
          {style && (
            <label>
              Strength {weight.toFixed(2)}
              <input
                type="range"
                min="0"
                max="1.5"
                step="0.05"
                value={weight}
                onInput={(event) => setWeight(event.currentTarget.valueAsNumber)}
              />
            </label>
          )}
          <label>
            Pictures {count}
            <input type="range" min="1" max="8" value={count} onInput={(event) => setCount(event.currentTarget.valueAsNumber)} />
          </label>
          <button type="submit" class="primary" disabled={prompt.trim() === ''}>
            Make
          </button>
        </div>
        {problem && <p role="alert">{problem}</p>}
      </form>
      <section aria-label="Pictures" class="gallery">
        {jobs.map((job) => (
          <Made job={job} key={job.id} />
        ))}
      </section>
    </>
  );
}

const newest = (a: ImageView, b: ImageView) => (a.created_at < b.created_at ? 1 : -1);

function Made({ job: { request, status, progress, error, output } }: { job: ImageView }) {
  const style = request.loras.map(({ name, weight }) => `${name} ${weight}`).join(', ');
  return (
    <article>
      <p>
        {request.prompt} {style && <span class="quiet">· {style}</span>}
      </p>
      {(status === 'queued' || status === 'running') && (
        <p class="quiet">
          <progress max={progress.total_steps || 1} value={progress.step} aria-label={request.prompt} />{' '}
          {status === 'queued' ? 'in the queue' : timeLeft(progress.seconds_left)}
        </p>
      )}
      {status === 'failed' && <p role="alert">{error?.message}</p>}
      <div class="pictures">
        {output?.images.map(({ url, index, seed }) => (
          <a href={url} key={index} title={`seed ${seed}`}>
            <img src={url} alt={request.prompt} width={request.width} height={request.height} />
          </a>
        ))}
      </div>
    </article>
  );
}
