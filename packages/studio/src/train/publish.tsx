import type { Loraloom, TrainingView, UploadOptions } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Problem } from '../parts/problem.tsx';
import { Sending, useUpload } from '../parts/sending.tsx';
import { loraName } from '../registry.ts';
import { goTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

interface PublishProps {
  training: TrainingView;
  /** The step of the checkpoint. */
  step: number;
}

/** A checkpoint becomes a style, or a style's latest version, with one of its sample pictures for a cover. */
export function Publish({ training, step }: PublishProps) {
  const api = useApi();
  const words = useWords(trainWords);
  const { busy, problem, attempt } = useAttempt();
  const { sending, upload } = useUpload();
  const [title, setTitle] = useState<string>(training.request.name);
  const [cover, setCover] = useState(0);
  const samples = training.samples.filter((one) => one.step === step);
  const name = loraName(title);

  const publish = async () => {
    // Its URLs may have run out while it was looked at.
    const fresh = await api.trainings.get(training.id);
    const latest = await publishCheckpoint(api, fresh, step, name, upload);
    const made = fresh.samples.filter((one) => one.step === step);
    const sample = made.find(({ index }) => index === cover) ?? made[0];
    const picture = sample && new File([await contentOf(sample.url)], `${name}.png`, { type: 'image/png' });
    await api.loras.update(name, { latest, ...(picture ? { cover: { file_id: (await upload(picture)).id } } : {}) });
    goTo('library', name);
  };

  return (
    <form
      class="stack"
      aria-label={words.publish}
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(publish);
      }}
    >
      <h2>{words.publishTitle(step)}</h2>
      <label class="field">
        {words.name}
        <input value={title} onInput={({ currentTarget }) => setTitle(currentTarget.value)} />
        <span class="quiet small">{name !== '' && name !== title ? words.calledSo(name) : words.publishHint}</span>
      </label>
      {samples.length > 0 && (
        <fieldset class="choice covers">
          <legend>{words.cover}</legend>
          <div>
            {samples.map(({ index, prompt, url }) => (
              <label key={index}>
                <input type="radio" name="cover" checked={index === cover} onChange={() => setCover(index)} />
                <span>
                  <img src={url} alt={prompt} width="88" height="88" />
                </span>
              </label>
            ))}
          </div>
        </fieldset>
      )}
      {sending && <Sending {...sending} />}
      <Problem error={problem} />
      <p>
        <button type="submit" class="strong" disabled={busy || name === ''}>
          {words.publish}
        </button>
      </p>
    </form>
  );
}

/** @returns the id of the version that a checkpoint is under this name */
async function publishCheckpoint(
  api: Loraloom,
  training: TrainingView,
  step: number,
  name: string,
  upload: (file: File, options?: UploadOptions) => Promise<{ id: string }>,
): Promise<string> {
  const { output, request, checkpoints } = training;
  const checkpoint = checkpoints.find((one) => one.step === step);
  // What a training ends with is a version of its name already.
  if (output && step === request.steps && name === output.lora.name) return output.lora.lora_id;
  if (!checkpoint) throw new Error(`no checkpoint at step ${step}`);
  const file = new File([await contentOf(checkpoint.url)], `${name}-step${step}.safetensors`);
  const { id } = await upload(file);
  const word = request.trigger_word === undefined ? {} : { trigger_words: [request.trigger_word] };
  return (await api.loras.import({ name, file_id: id, model: request.model, ...word })).lora_id;
}

async function contentOf(url: string): Promise<Blob> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${new URL(url).pathname}: ${answer.status}`);
  return answer.blob();
}
