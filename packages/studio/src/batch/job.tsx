import type { BatchView } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { bytes, duration, moment } from '../numbers.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { Faults } from './estimate.tsx';
import { endedOf, secondsLeft } from './plan.ts';
import { batchWords } from './words.ts';

interface JobProps {
  batch: BatchView;
  /** It has another record, or there is another batch. */
  onChange: (batch: BatchView) => void;
}

/** The words of its template; batches of requests' own lines have none in common. */
export const titleOf = ({ request }: BatchView, words: { lines: string }): string =>
  typeof request.template?.prompt === 'string' ? request.template.prompt : words.lines;

/** A batch: how far it has come, and what it put out. */
export function Job({ batch, onChange }: JobProps) {
  const words = useWords(batchWords);
  const { language } = useSpeech();
  const api = useApi();
  const { busy, problem, attempt } = useAttempt();
  const { status, request_counts: counts, output, error, errors } = batch;
  const title = titleOf(batch, words);
  const going = status !== 'succeeded' && status !== 'failed' && status !== 'canceled';
  const left = secondsLeft(batch, Date.now());
  const told = [
    counts.total > 0 && words.counts(endedOf(batch), counts.total),
    counts.succeeded > 0 && words.succeeded(counts.succeeded),
    counts.failed > 0 && words.failed(counts.failed),
    counts.canceled > 0 && words.canceled(counts.canceled),
    left !== null && words.left(duration(left, language)),
  ];
  return (
    <article class="card stack tight">
      <h3 class="label">{title}</h3>
      <p class="quiet small">
        {[moment(batch.created_at, language), batch.retry_of && words.retryOf, words.statuses[status]]
          .filter(Boolean)
          .join(' · ')}
      </p>
      {going && <Meter label={title} value={endedOf(batch)} of={status === 'running' ? counts.total : 0} />}
      <p class="small counts">{told.filter(Boolean).join(' · ')}</p>
      {status !== 'succeeded' && <Problem error={error} old />}
      <Faults errors={errors} all={errors.length} />
      <div class="row">
        {output && <Downloads id={batch.id} output={output} attempt={attempt} />}
        {!going && counts.failed > 0 && (
          <button
            type="button"
            disabled={busy}
            onClick={() => void attempt(async () => onChange(await api.batches.retry(batch.id)))}
          >
            {words.retry(counts.failed)}
          </button>
        )}
        {going && (
          <Cancel
            canceling={batch.cancel_requested}
            onCancel={() => attempt(async () => onChange(await api.batches.cancel(batch.id)))}
          />
        )}
      </div>
      <Problem error={problem} />
    </article>
  );
}

type Output = NonNullable<BatchView['output']>;

interface DownloadsProps {
  id: string;
  output: Output;
  attempt: (act: () => Promise<unknown>) => Promise<void>;
}

/** The files of an ended batch. Their URLs run out after an hour, so each click asks for a fresh one. */
function Downloads({ id, output, attempt }: DownloadsProps) {
  const words = useWords(batchWords);
  const { language } = useSpeech();
  const api = useApi();
  const download = (choose: (output: Output) => string | null | undefined) =>
    attempt(async () => {
      const { output: fresh } = await api.batches.get(id);
      const url = fresh && choose(fresh);
      // The answer is an attachment: the page stays.
      if (url) location.assign(url);
    });
  const { archives, output_url, errors_url } = output;
  return (
    <>
      {archives.map(({ size_bytes }, i) => {
        const size = bytes(size_bytes, language);
        return (
          <button type="button" class="strong" key={i} onClick={() => void download((fresh) => fresh.archives[i]?.url)}>
            <Icon name="download" /> {archives.length === 1 ? words.zip(size) : words.zipPart(i + 1, size)}
          </button>
        );
      })}
      {output_url && (
        <button type="button" onClick={() => void download((fresh) => fresh.output_url)}>
          {words.output}
        </button>
      )}
      {errors_url && (
        <button type="button" onClick={() => void download((fresh) => fresh.errors_url)}>
          {words.errors}
        </button>
      )}
    </>
  );
}

/** After asking: rows that are canceled are not tried again. */
function Cancel({ canceling, onCancel }: { canceling: boolean; onCancel: () => Promise<unknown> }) {
  const words = useWords(batchWords);
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class="plain small" disabled={canceling} onClick={() => setAsking(true)}>
        {canceling ? words.statuses.canceling : words.cancel}
      </button>
      {asking && (
        <Dialog label={words.cancelTitle} onClose={() => setAsking(false)}>
          <div class="stack">
            <h2>{words.cancelTitle}</h2>
            <p>{words.cancelLead}</p>
            <div class="row">
              <button type="button" onClick={() => setAsking(false)}>
                {words.cancelNo}
              </button>
              <button
                type="button"
                class="danger"
                onClick={() => {
                  setAsking(false);
                  void onCancel();
                }}
              >
                {words.cancelYes}
              </button>
            </div>
          </div>
        </Dialog>
      )}
    </>
  );
}
