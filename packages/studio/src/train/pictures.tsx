import type { Finding } from '@loraloom/client';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { useWords } from '../speech.tsx';
import { cropOf, type DraftPicture } from './draft.ts';
import { Findings } from './findings.tsx';
import { trainWords } from './words.ts';

interface PicturesProps {
  pictures: readonly DraftPicture[];
  buckets: boolean;
  findings: ReadonlyMap<string | null, Finding[]>;
  /** Why the picture of a file cannot be taken. */
  problem: { at: string | undefined; error: unknown };
  onCaption: (fileId: string, caption: string) => void;
  onLeave: (fileId: string) => void;
}

/** The pictures, each with what of it is trained on, what it shows, and what is wrong with it. */
export function Pictures({ pictures, buckets, findings, problem, onCaption, onLeave }: PicturesProps) {
  const words = useWords(trainWords);
  return (
    <table class="pictures">
      <caption class="unseen">{words.table}</caption>
      <thead>
        <tr>
          <th scope="col">{words.columns.picture}</th>
          <th scope="col">{words.columns.caption}</th>
          <th scope="col">
            <span class="unseen">{words.columns.leave}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {pictures.map((one) => {
          const found = findings.get(one.fileId) ?? [];
          return (
            <tr key={one.fileId}>
              <th scope="row">
                <Crop picture={one} buckets={buckets} />
                <span class="quiet">{one.name}</span>
              </th>
              <td>
                <textarea
                  rows={1}
                  aria-label={words.captionOf(one.name)}
                  aria-invalid={found.some(({ severity }) => severity === 'error')}
                  maxLength={2000}
                  value={one.caption}
                  onInput={({ currentTarget }) => onCaption(one.fileId, currentTarget.value)}
                />
                <Findings findings={found} />
                {one.fileId === problem.at && <Problem error={problem.error} />}
              </td>
              <td>
                <button type="button" class="plain" aria-label={words.leave(one.name)} onClick={() => onLeave(one.fileId)}>
                  <Icon name="close" />
                </button>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** A picture with what is cut off of it in shade. */
function Crop({ picture, buckets }: { picture: DraftPicture; buckets: boolean }) {
  const { likeness, width, height } = picture;
  if (likeness === '') return <Icon name="image" />;
  const crop = cropOf(picture, buckets);
  const inset = `${((1 - crop.height) / 2) * 100}% ${((1 - crop.width) / 2) * 100}%`;
  return (
    <span class="crop" style={{ aspectRatio: `${width} / ${height}`, width: `${Math.min(1, width / height) * 5.5}rem` }}>
      <img src={likeness} alt="" />
      <span style={{ inset }} />
    </span>
  );
}
