import './create.css';
import type { ImageRequestInput, ImageView } from '@loraloom/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RoomProps } from '../app.tsx';
import { useAttempt } from '../attempt.ts';
import { useJobs } from '../jobs.ts';
import { useKept } from '../kept.ts';
import { useLoaded } from '../load.ts';
import { Arriving } from '../parts/arriving.tsx';
import { likenessOf } from '../parts/likeness.ts';
import { Problem } from '../parts/problem.tsx';
import { allLoras } from '../registry.ts';
import { linkTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { Composer } from './composer.tsx';
import { draftOf, moreLike, readDraft, requestOf, withStyle } from './draft.ts';
import { History } from './history.tsx';
import { Viewer } from './viewer.tsx';
import { createWords } from './words.ts';

/** Words and styles become pictures; below or beside them, everything that was made. `#/create/ink` brings a style along. */
export default function Create({ rest: [style] }: RoomProps) {
  const api = useApi();
  const words = useWords(createWords);
  const stock = useLoaded(async (signal) => {
    const [models, loras] = await Promise.all([api.models.list({ signal }), allLoras(api, signal)]);
    return { models: models.data, loras };
  });
  const { models, loras } = stock.value ?? { models: [], loras: [] };
  const [draft, setDraft] = useKept('draft', readDraft);
  const { busy, problem, attempt } = useAttempt();
  const [open, setOpen] = useState<{ id: string; index: number }>();
  const [news, setNews] = useState('');
  const top = useRef<HTMLDivElement>(null);
  const made = useRef<HTMLElement>(null);
  const model = models.find(({ name }) => name === draft.model) ?? models[0];

  useEffect(() => {
    if (style === undefined) return;
    setDraft((before) => withStyle(before, style));
    location.replace(linkTo('create'));
  }, [style]);

  const history = useJobs<ImageView>({
    list: (page) => api.images.list(page),
    follow: (job, options) => api.images.follow(job, { ...options, longestPauseSeconds: 1 }),
    onEnd: ({ output }) => setNews(output ? words.ready(output.images.length) : words.failed),
  });

  const ask = (request: ImageRequestInput) =>
    attempt(async () => {
      history.show(await api.images.create(request));
      // On a narrow screen it appears below everything that it was asked for with.
      made.current?.scrollIntoView({ block: 'nearest' });
    });
  const use = (job: ImageView, seed: number | null) => {
    setDraft((before) => ({ ...draftOf(job, before), seed }));
    setOpen(undefined);
    top.current?.scrollIntoView();
  };
  const startFrom = (picture: Blob) => {
    setOpen(undefined);
    top.current?.scrollIntoView();
    return attempt(async () => {
      const [likeness, { id }] = await Promise.all([likenessOf(picture), api.files.upload(picture, { name: 'picture.png' })]);
      setDraft((before) => ({ ...before, start: { fileId: id, likeness, strength: 0.6 } }));
    });
  };

  const jobs = history.jobs ?? [];
  const pictures = jobs.flatMap((job) => (job.output?.images ?? []).map((picture) => ({ job, picture })));
  const place = pictures.findIndex(({ job, picture }) => job.id === open?.id && picture.index === open.index);
  const seen = pictures[place];
  const turn = (by: number) => {
    const other = pictures[place + by];
    return other && (() => setOpen({ id: other.job.id, index: other.picture.index }));
  };

  return (
    <div class="create" ref={top}>
      <h1 class="unseen">{words.title}</h1>
      {model ? (
        <Composer
          draft={draft}
          models={models}
          model={model}
          loras={loras}
          asking={busy}
          problem={problem}
          // What was uploaded meanwhile comes to the words as they are by then.
          onChange={(some) => setDraft((before) => ({ ...before, ...some }))}
          onMake={() => void ask(requestOf(draft, model, loras))}
        />
      ) : stock.value ? (
        <p class="lead">{words.noModel}</p>
      ) : stock.problem ? (
        <Problem error={stock.problem} onRetry={stock.reload} />
      ) : (
        <Arriving />
      )}
      <section class="made" ref={made} aria-label={words.history}>
        <Problem error={history.problem} onRetry={history.retry} />
        {!history.jobs && history.problem === null && <Arriving />}
        {history.jobs?.length === 0 && (
          <div class="empty">
            <h2>{words.emptyTitle}</h2>
            <p class="quiet">{words.empty}</p>
          </div>
        )}
        <History
          jobs={jobs}
          more={history.more}
          onOpen={({ id }, index) => setOpen({ id, index })}
          onUse={(job) => use(job, null)}
          onCancel={async (job) => history.show(await api.images.cancel(job.id))}
          onStale={history.refresh((job) => api.images.get(job.id))}
        />
        <p class="unseen" role="status">
          {news}
        </p>
      </section>
      {seen && (
        <Viewer
          {...seen}
          onPrevious={turn(-1)}
          onNext={turn(1)}
          onClose={() => setOpen(undefined)}
          onUse={use}
          onMoreLike={(job) => {
            setOpen(undefined);
            void ask(moreLike(job));
          }}
          onStartFrom={(picture) => void startFrom(picture)}
          onCovered={stock.reload}
          onAsked={history.show}
        />
      )}
    </div>
  );
}
