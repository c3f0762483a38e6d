import './history.css';
import type { ImageView } from '@loraloom/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { duration } from '../numbers.ts';
import { Masonry } from '../parts/masonry.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { createWords } from './words.ts';

export type Picture = NonNullable<ImageView['output']>['images'][number];

export interface HistoryProps {
  /** Newest first. */
  jobs: readonly ImageView[];
  more: (() => void) | undefined;
  onOpen: (job: ImageView, index: number) => void;
  onUse: (job: ImageView) => void;
  onCancel: (job: ImageView) => Promise<unknown>;
  /** A picture's URL has run out: the record has fresh ones. */
  onStale: (job: ImageView) => void;
}

type Brick =
  | { kind: 'picture'; job: ImageView; picture: Picture }
  | { kind: 'hidden'; job: ImageView; index: number }
  | { kind: 'coming'; job: ImageView; index: number }
  | { kind: 'none'; job: ImageView };

/** What there is to show of a request, in the order of its pictures. What was canceled left nothing. */
function bricksOf(job: ImageView): Brick[] {
  const { status, output, request } = job;
  if (status === 'queued' || status === 'running')
    return Array.from({ length: request.n }, (_, index) => ({ kind: 'coming', job, index }));
  if (status === 'canceled') return [];
  if (!output) return [{ kind: 'none', job }];
  return [
    ...output.images.map((picture): Brick => ({ kind: 'picture', job, picture })),
    ...(output.refused ?? []).map(({ index }): Brick => ({ kind: 'hidden', job, index })),
  ];
}

const keyOf = (brick: Brick) =>
  `${brick.job.id} ${brick.kind === 'picture' ? brick.picture.index : brick.kind === 'none' ? '' : brick.index}`;

/** Everything that was made, newest first, and what is being made. */
export function History({ jobs, more, ...actions }: HistoryProps) {
  const words = useWords(createWords);
  return (
    <>
      <Masonry label={words.history} bricks={jobs.flatMap(bricksOf)} keyOf={keyOf}>
        {(brick) => <Shown brick={brick} {...actions} />}
      </Masonry>
      {more && <Earlier onReach={more} />}
    </>
  );
}

function Shown({ brick, onOpen, onUse, onCancel, onStale }: { brick: Brick } & Omit<HistoryProps, 'jobs' | 'more'>) {
  const words = useWords(createWords);
  const { job } = brick;
  const { prompt, width, height } = job.request;
  if (brick.kind === 'picture') {
    const { picture } = brick;
    return (
      <button type="button" class="picture" aria-label={words.picture(prompt)} onClick={() => onOpen(job, picture.index)}>
        <img src={picture.url} alt="" width={picture.width} height={picture.height} loading="lazy" onError={() => onStale(job)} />
        <span aria-hidden="true">{prompt}</span>
      </button>
    );
  }
  if (brick.kind === 'coming') return <Coming job={job} first={brick.index === 0} ratio={width / height} onCancel={onCancel} />;
  return (
    <div class="note">
      <p class="prompted">{prompt}</p>
      {brick.kind === 'hidden' ? (
        <Refused job={job} index={brick.index} />
      ) : job.error ? (
        <Problem error={job.error} old />
      ) : (
        <p class="quiet small">{words.expired}</p>
      )}
      <button type="button" onClick={() => onUse(job)}>
        {words.use}
      </button>
    </div>
  );
}

function Refused({ job, index }: { job: ImageView; index: number }) {
  const words = useWords(createWords);
  const refusal = job.output?.refused?.find((one) => one.index === index);
  return (
    <>
      <p>{words.hidden}</p>
      <Problem error={{ code: 'content_refused', message: '', param: null, refusal }} old />
    </>
  );
}

interface ComingProps {
  job: ImageView;
  /** The first one of a request tells how far it has come, for all of them. */
  first: boolean;
  ratio: number;
  onCancel: (job: ImageView) => Promise<unknown>;
}

function Coming({ job, first, ratio, onCancel }: ComingProps) {
  const words = useWords(createWords);
  const { language } = useSpeech();
  const [problem, setProblem] = useState<unknown>(null);
  const { status, progress, request, queue_position: before, estimated_seconds: estimate, cancel_requested } = job;
  const left = status === 'queued' ? estimate : progress.seconds_left;
  const state =
    status === 'queued'
      ? words.queued(before)
      : progress.total_steps > 0
        ? words.step(progress.step, progress.total_steps)
        : words.opening;
  return (
    <div class="coming" style={{ aspectRatio: `${ratio}` }}>
      {first && (
        <div>
          <p class="prompted">{request.prompt}</p>
          <Meter label={request.prompt} value={progress.step} of={status === 'queued' ? 0 : progress.total_steps} />
          <p class="small">
            {state}
            {left !== null && ` · ${words.left(duration(left, language))}`}
          </p>
          <button type="button" class="plain small" disabled={cancel_requested} onClick={() => onCancel(job).catch(setProblem)}>
            {cancel_requested ? words.canceling : words.cancel}
          </button>
          <Problem error={problem} />
        </div>
      )}
    </div>
  );
}

/** Earlier ones come by themselves when one scrolls to the end, and by a button for those who do not scroll. */
function Earlier({ onReach }: { onReach: () => void }) {
  const words = useWords(createWords);
  const end = useRef<HTMLButtonElement>(null);
  const reach = useRef(onReach);
  reach.current = onReach;
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && reach.current(), { rootMargin: '400px' });
    if (end.current) watch.observe(end.current);
    return () => watch.disconnect();
  }, [onReach]);
  return (
    <button type="button" class="earlier" ref={end} onClick={onReach}>
      {words.earlier}
    </button>
  );
}
