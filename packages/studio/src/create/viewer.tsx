import './viewer.css';
import type { ImageView } from '@loraloom/client';
import { useEffect } from 'preact/hooks';
import { moment } from '../numbers.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Facts } from '../parts/facts.tsx';
import { Icon } from '../parts/icon.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { Actions } from './actions.tsx';
import { Comparison } from './comparison.tsx';
import type { Picture } from './history.tsx';
import { createWords } from './words.ts';

export interface ViewerProps {
  job: ImageView;
  picture: Picture;
  /** The neighbours in the history, where there are any. */
  onPrevious: (() => void) | undefined;
  onNext: (() => void) | undefined;
  onClose: () => void;
  onMoreLike: (job: ImageView) => void;
  onUse: (job: ImageView, seed: number | null) => void;
  onStartFrom: (picture: Blob) => void;
  /** A style has another cover. */
  onCovered: () => void;
  /** A job that the viewer asked for itself. */
  onAsked: (job: ImageView) => void;
}

/** One picture, large, and what can be done with it. */
export function Viewer(props: ViewerProps) {
  const { job, picture, onPrevious, onNext, onClose } = props;
  const words = useWords(createWords);
  const { prompt, loras } = job.request;
  useEffect(() => {
    const turn = ({ target, key }: KeyboardEvent) => {
      // In a field or on a slider the arrows move something else.
      if (target instanceof HTMLInputElement) return;
      if (key === 'ArrowLeft') onPrevious?.();
      if (key === 'ArrowRight') onNext?.();
    };
    addEventListener('keydown', turn);
    return () => removeEventListener('keydown', turn);
  }, [onPrevious, onNext]);
  return (
    <Dialog label={words.picture(prompt)} wide onClose={onClose}>
      <div class="viewer">
        <div class="seen">
          {loras.length > 0 ? (
            <Comparison key={`${job.id} ${picture.index}`} job={job} picture={picture} onAsked={props.onAsked} />
          ) : (
            <img src={picture.url} alt={prompt} width={picture.width} height={picture.height} />
          )}
          <div class="turn">
            <button type="button" class="plain" aria-label={words.previous} disabled={!onPrevious} onClick={onPrevious}>
              <Icon name="left" />
            </button>
            <button type="button" class="plain" aria-label={words.next} disabled={!onNext} onClick={onNext}>
              <Icon name="right" />
            </button>
          </div>
        </div>
        <div class="about stack">
          <h2>{prompt}</h2>
          {loras.length > 0 && (
            <ul class="row">
              {loras.map(({ name, weight }) => (
                <li key={name} class="chip">
                  {name} · {weight.toFixed(2)}
                </li>
              ))}
            </ul>
          )}
          <Actions key={`${job.id} ${picture.index}`} {...props} />
          <Details job={job} picture={picture} />
        </div>
      </div>
    </Dialog>
  );
}

function Details({ job, picture }: { job: ImageView; picture: Picture }) {
  const { details } = useWords(createWords);
  const { language } = useSpeech();
  const { request } = job;
  const rows: (readonly [string, string])[] = [
    [details.made, moment(job.created_at, language)],
    [details.size, `${picture.width} × ${picture.height}`],
    [details.seed, `${picture.seed}`],
    [details.steps, `${request.steps}`],
    [details.guidance, `${request.guidance_scale}`],
    [details.sampler, request.sampler],
    [details.model, request.model],
    [details.negative, request.negative_prompt],
    [details.strength, request.image === undefined ? '' : `${Math.round((request.image_strength ?? 0.6) * 100)} %`],
  ];
  return <Facts rows={rows} />;
}
