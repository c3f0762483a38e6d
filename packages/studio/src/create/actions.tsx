import type { ImageView } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { save } from '../parts/save.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import type { Picture } from './history.tsx';
import { createWords } from './words.ts';

interface ActionsProps {
  job: ImageView;
  picture: Picture;
  onMoreLike: (job: ImageView) => void;
  onUse: (job: ImageView, seed: number | null) => void;
  onStartFrom: (picture: Blob) => void;
  onCovered: () => void;
}

/** What can be done with a picture. */
export function Actions({ job, picture, onMoreLike, onUse, onStartFrom, onCovered }: ActionsProps) {
  const words = useWords(createWords);
  const api = useApi();
  const [done, setDone] = useState<'receipt' | 'cover'>();
  const { problem, attempt } = useAttempt();
  const bytes = async () => (await api.download(picture.url)).blob();
  // Covers are of one's own styles: another tenant's has an owner before its name.
  const own = job.request.loras.map(({ name }) => name.split('@')[0] ?? '').find((name) => !name.includes('/'));
  return (
    <div class="stack tight">
      <div class="row">
        <button type="button" class="primary" onClick={() => onMoreLike(job)}>
          <Icon name="more" /> {words.moreLikeThis}
        </button>
        <button
          type="button"
          onClick={() => attempt(async () => save(await bytes(), `${fileName(job.request.prompt)}-${picture.seed}.png`))}
        >
          <Icon name="download" /> {words.download}
        </button>
      </div>
      <div class="actions">
        <button type="button" onClick={() => onUse(job, null)}>
          <Icon name="edit" /> {words.use}
        </button>
        <button type="button" onClick={() => onUse(job, picture.seed)}>
          <Icon name="lock" /> {words.keep}
        </button>
        <button type="button" onClick={() => attempt(async () => onStartFrom(await bytes()))}>
          <Icon name="image" /> {words.startFrom}
        </button>
        <button
          type="button"
          title={words.receiptHint}
          onClick={() =>
            attempt(async () => {
              await navigator.clipboard.writeText(JSON.stringify(picture.receipt, null, 2));
              setDone('receipt');
            })
          }
        >
          <Icon name={done === 'receipt' ? 'check' : 'copy'} /> {done === 'receipt' ? words.copied : words.receipt}
        </button>
        {own && (
          <button
            type="button"
            onClick={() =>
              attempt(async () => {
                await api.loras.update(own, { cover: { image_id: job.id, index: picture.index } });
                setDone('cover');
                onCovered();
              })
            }
          >
            <Icon name={done === 'cover' ? 'check' : 'image'} /> {done === 'cover' ? words.covered : words.cover(own)}
          </button>
        )}
      </div>
      <p class="unseen" role="status">
        {done === 'receipt' ? words.copied : done === 'cover' ? words.covered : ''}
      </p>
      <Problem error={problem} />
    </div>
  );
}

/** "Red apple, blue background" → "red-apple-blue-background" */
const fileName = (prompt: string) =>
  prompt
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60);
