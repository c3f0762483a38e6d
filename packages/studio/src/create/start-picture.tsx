import { useState } from 'preact/hooks';
import { bytes } from '../numbers.ts';
import { Drop } from '../parts/drop.tsx';
import { Icon } from '../parts/icon.tsx';
import { likenessOf } from '../parts/likeness.ts';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { Slider } from '../parts/slider.tsx';
import { useApi } from '../session.tsx';
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
  const api = useApi();
  const [sending, setSending] = useState<{ sent: number; all: number }>();
  const [problem, setProblem] = useState<unknown>(null);

  const upload = async (file: File | undefined) => {
    if (!file) return;
    setProblem(null);
    setSending({ sent: 0, all: file.size });
    try {
      const likeness = await likenessOf(file);
      const { id } = await api.files.upload(file, { onProgress: (sent) => setSending({ sent, all: file.size }) });
      onChange({ fileId: id, likeness, strength: 0.6 });
    } catch (error) {
      setProblem(error);
    }
    setSending(undefined);
  };

  return (
    <section class="stack" aria-label={words.start}>
      <h2 class="label">{words.start}</h2>
      {sending ? (
        <div>
          <Meter label={words.startPicture} value={sending.sent} of={sending.all} />
          <p class="quiet small">{words.uploading(bytes(sending.sent, language), bytes(sending.all, language))}</p>
        </div>
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
        <Drop accept="image/png,image/jpeg,image/webp" onFiles={([file]) => void upload(file)}>
          {words.startHint}
        </Drop>
      )}
      <Problem error={problem} />
    </section>
  );
}
