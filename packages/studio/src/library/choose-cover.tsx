import type { ImageView, LoraChange, LoraRecord } from '@loraloom/client';
import { useAttempt } from '../attempt.ts';
import { useLoaded } from '../load.ts';
import { Drop } from '../parts/drop.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sending, useUpload } from '../parts/sending.tsx';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { libraryWords } from './words.ts';

interface ChooseCoverProps {
  lora: LoraRecord;
  onChange: (lora: LoraRecord) => void;
}

/** Of the last pictures that were made, those with the style: how many to show. */
const most = 12;

const madeWith = (name: string) => (job: ImageView) => job.request.loras.some((lora) => lora.name.split('@')[0] === name);

/** The picture that stands for a style: one of the visitor's, or one that was made with it. */
export function ChooseCover({ lora, onChange }: ChooseCoverProps) {
  const api = useApi();
  const words = useWords(libraryWords);
  const { busy, problem, attempt } = useAttempt();
  const { sending, upload } = useUpload();
  const recent = useLoaded(async (signal) => {
    const { data } = await api.images.list({ limit: 100, signal });
    return data
      .filter(madeWith(lora.name))
      .flatMap(({ id, output }) => (output?.images ?? []).map((picture) => ({ id, picture })))
      .slice(0, most);
  });

  const choose = async (cover: NonNullable<LoraChange['cover']> | null) => onChange(await api.loras.update(lora.name, { cover }));

  return (
    <section class="card stack" aria-label={words.cover}>
      <h2>{words.cover}</h2>
      {sending ? (
        <Sending {...sending} />
      ) : (
        <Drop
          accept="image/png,image/jpeg,image/webp"
          onFiles={([file]) => file && void attempt(async () => choose({ file_id: (await upload(file)).id }))}
        >
          {words.coverUpload}
        </Drop>
      )}
      <p class="quiet">{recent.value?.length === 0 ? words.coverNone : words.coverFrom}</p>
      <ul class="covers">
        {recent.value?.map(({ id, picture: { index, url } }) => (
          <li key={`${id} ${index}`}>
            <button
              type="button"
              aria-label={words.coverThis}
              disabled={busy}
              onClick={() => void attempt(() => choose({ image_id: id, index }))}
            >
              <img src={url} alt="" loading="lazy" />
            </button>
          </li>
        ))}
      </ul>
      {lora.cover && (
        <p>
          <button type="button" class="plain" disabled={busy} onClick={() => void attempt(() => choose(null))}>
            {words.coverRemove}
          </button>
        </p>
      )}
      <Problem error={problem ?? recent.problem} />
    </section>
  );
}
