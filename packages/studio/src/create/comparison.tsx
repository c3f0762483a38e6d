import type { ImageView } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
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
  const { busy, problem, attempt } = useAttempt();
  const failure = problem ?? plain?.error;
  const { url, width, height, seed, index } = picture;

  const make = async () => {
    // Asked for again it is the same picture, which is there already; unless that failed.
    const once = failure ? {} : { idempotencyKey: `without-styles-${job.id}-${index}` };
    const asked = await api.images.create(withoutStyles(job, seed), once);
    onAsked(asked);
    await api.images.wait(asked, { longestPauseSeconds: 1, onProgress: setPlain });
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
      {busy && plain ? (
        <div class="stack tight">
          <Meter label={words.comparing} value={plain.progress.step} of={plain.progress.total_steps} />
          <p class="quiet small">{words.comparing}</p>
        </div>
      ) : (
        <button type="button" disabled={busy} onClick={() => void attempt(make)}>
          <Icon name="compare" /> {words.compare}
        </button>
      )}
      <Problem error={failure} />
    </>
  );
}
