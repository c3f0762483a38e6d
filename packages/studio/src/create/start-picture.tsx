import { useAttempt } from '../attempt.ts';
import { Drop } from '../parts/drop.tsx';
import { Icon } from '../parts/icon.tsx';
import { likenessOf } from '../parts/likeness.ts';
import { Problem } from '../parts/problem.tsx';
import { Sending, useUpload } from '../parts/sending.tsx';
import { Slider } from '../parts/slider.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import type { Draft } from './draft.ts';
import { createWords } from './words.ts';

interface StartPictureProps {
  start: Draft['start'];
  onChange: (start: Draft['start']) => void;
}

/** The picture that new ones start from, and how far they may go from it. */
export function StartPicture({ start, onChange }: StartPictureProps) {
  const words = useWords(createWords);
  const { language } = useSpeech();
  const { sending, upload } = useUpload();
  const { problem, attempt } = useAttempt();
  const take = (file: File | undefined) =>
    file &&
    attempt(async () => {
      const [likeness, { id }] = await Promise.all([likenessOf(file), upload(file)]);
      onChange({ fileId: id, likeness, strength: 0.6 });
    });

  return (
    <section class="stack" aria-label={words.start}>
      <h2 class="label">{words.start}</h2>
      {sending ? (
        <Sending {...sending} />
      ) : start ? (
        <div class="start">
          {start.likeness ? <img src={start.likeness} alt={words.startPicture} /> : <Icon name="image" />}
          <Slider
            label={words.change}
            value={start.strength}
            min={0.05}
            max={1}
            step={0.05}
            shown={new Intl.NumberFormat(language, { style: 'percent' }).format(start.strength)}
            onChange={(strength) => onChange({ ...start, strength })}
          />
          <button type="button" class="plain" aria-label={words.remove} onClick={() => onChange(null)}>
            <Icon name="close" />
          </button>
        </div>
      ) : (
        <Drop accept="image/png,image/jpeg,image/webp" onFiles={([file]) => void take(file)}>
          {words.startHint}
        </Drop>
      )}
      <Problem error={problem} />
    </section>
  );
}
