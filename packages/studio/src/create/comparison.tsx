import type { ImageView } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { Compare } from '../parts/compare.tsx';
import { Icon } from '../parts/icon.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { withoutStyles } from './draft.ts';
import type { Picture } from './history.tsx';
import { createWords } from './words.ts';

interface ComparisonProps {
  job: ImageView;
  picture: Picture;
  onAsked: (job: ImageView) => void;
}

/** A picture that has styles, and on demand the same one without them beside it. */
export function Comparison({ job, picture, onAsked }: ComparisonProps) {
  const words = useWords(createWords);
  const api = useApi();
  const [plain, setPlain] = useState<ImageView>();
  const [problem, setProblem] = useState<unknown>(null);
  const { url, width, height, seed, index } = picture;

  const make = async () => {
    setProblem(null);
    try {
      // Asked for twice it is the same picture, which is there already.
      const asked = await api.images.create(withoutStyles(job, seed), { idempotencyKey: `without-styles-${job.id}-${index}` });
      setPlain(asked);
      onAsked(asked);
      for await (const record of api.images.follow(asked, { longestPauseSeconds: 1 })) {
        setPlain(record);
        if (record.error) setProblem(record.error);
      }
    } catch (error) {
      setProblem(error);
      setPlain(undefined);
    }
  };

  const without = plain?.output?.images[0]?.url;
  if (without)
    return (
      <Compare
        left={{ url: without, label: words.without }}
        right={{ url, label: words.with }}
        label={words.divide}
        width={width}
        height={height}
      />
    );
  return (
    <>
      <img src={url} alt={job.request.prompt} width={width} height={height} />
      {plain && !problem ? (
        <div class="stack tight">
          <Meter label={words.comparing} value={plain.progress.step} of={plain.progress.total_steps} />
          <p class="quiet small">{words.comparing}</p>
        </div>
      ) : (
        <button type="button" onClick={() => void make()}>
          <Icon name="compare" /> {words.compare}
        </button>
      )}
      <Problem error={problem} />
    </>
  );
}
