import type { Model, TrainingRecord } from '@loraloom/client';
import { useAttempt } from '../attempt.ts';
import { useKept } from '../kept.ts';
import { bytes } from '../numbers.ts';
import { Choice } from '../parts/choice.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { useArrivals } from './arrivals.ts';
import { CaptionTools } from './caption-tools.tsx';
import { byFile, useCheck } from './check.ts';
import { presetNames, readDraft, requestOf, withCaption, withCaptions, withPicture } from './draft.ts';
import { DropPictures } from './drop-pictures.tsx';
import { Estimate } from './estimate.tsx';
import { Findings } from './findings.tsx';
import { Options } from './options.tsx';
import { Pictures } from './pictures.tsx';
import { trainWords } from './words.ts';

interface NewTrainingProps {
  models: readonly Model[];
  first: Model;
  onAsked: (job: TrainingRecord) => void;
}

/** A training before it is asked for: pictures, what they show, what is to be learnt. */
export function NewTraining({ models, first, onAsked }: NewTrainingProps) {
  const api = useApi();
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const [draft, setDraft] = useKept('training', readDraft);
  const { busy, problem, attempt } = useAttempt();
  const { sending, leftOut, take, ...arrivals } = useArrivals(
    (picture) => setDraft((before) => withPicture(before, picture)),
    (captions) => setDraft((before) => withCaptions(before, captions)[0]),
  );
  const model = models.find(({ name }) => name === draft.model) ?? first;
  const request = requestOf(draft, model.name);
  const checked = useCheck(request);
  const findings = byFile(checked.check);
  const wrong = checked.check?.findings.some(({ severity }) => severity === 'error') ?? false;
  const { pictures } = draft;
  const ready = pictures.length > 0 && request.name !== '' && !sending && !checked.stale && checked.check !== undefined && !wrong;

  const start = () =>
    attempt(async () => {
      const job = await api.trainings.create(request);
      setDraft(({ model, preset, buckets }) => readDraft({ model, preset, buckets }));
      onAsked(job);
    });

  return (
    <form
      class="card stack"
      aria-label={words.title}
      onSubmit={(event) => {
        event.preventDefault();
        if (ready && !busy) void start();
      }}
    >
      <Choice
        label={words.preset}
        value={draft.preset}
        options={presetNames.map((value) => ({ value, label: words.presets[value] }))}
        onChange={(preset) => setDraft((before) => ({ ...before, preset, steps: null, rank: null }))}
      />
      <p class="quiet small">{words.presetHints[draft.preset]}</p>
      <DropPictures onFiles={(found) => void take(found)} />
      {leftOut.length > 0 && <p role="alert">{words.leftOut(leftOut.length, leftOut.slice(0, 3).join(', '))}</p>}
      {sending && (
        <div>
          <Meter label={words.uploads} value={sending.sentBytes} of={sending.totalBytes} />
          <p class="quiet small">
            {words.uploading(bytes(sending.sentBytes, language), bytes(sending.totalBytes, language), sending.left)}
          </p>
        </div>
      )}
      <Problem error={arrivals.problem} onRetry={arrivals.retry} />
      {pictures.length > 0 && (
        <>
          <div class="row">
            <h2>{words.pictures(pictures.length)}</h2>
            <button type="button" class="plain small" onClick={() => setDraft((before) => ({ ...before, pictures: [] }))}>
              {words.leaveAll}
            </button>
          </div>
          <CaptionTools draft={draft} onChange={setDraft} />
          <Choice
            label={words.shape}
            value={draft.buckets ? 'buckets' : 'square'}
            options={(['square', 'buckets'] as const).map((value) => ({ value, label: words.shapes[value] }))}
            onChange={(shape) => setDraft((before) => ({ ...before, buckets: shape === 'buckets' }))}
          />
          <Pictures
            pictures={pictures}
            buckets={draft.buckets}
            findings={findings}
            problem={{ at: checked.at, error: checked.problem }}
            onCaption={(id, caption) => setDraft((before) => withCaption(before, id, caption))}
            onLeave={(id) =>
              setDraft((before) => ({ ...before, pictures: before.pictures.filter(({ fileId }) => fileId !== id) }))
            }
          />
        </>
      )}
      <Options draft={draft} models={models} model={model} onChange={(some) => setDraft((before) => ({ ...before, ...some }))} />
      <Findings findings={findings.get(null) ?? []} />
      {checked.at === undefined && <Problem error={checked.problem} onRetry={checked.retry} />}
      <Estimate {...checked} />
      <Problem error={problem} />
      <div class="row">
        <button type="submit" class="primary" disabled={!ready || busy}>
          {words.train}
        </button>
        <span class="quiet small">
          {pictures.length === 0 ? words.wantPictures : request.name === '' ? words.wantName : wrong ? words.wantMended : ''}
        </span>
      </div>
    </form>
  );
}
