import './batch.css';
import type { BatchView } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useJobs } from '../jobs.ts';
import { useLoaded } from '../load.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Problem } from '../parts/problem.tsx';
import { allLoras } from '../registry.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { Job, titleOf } from './job.tsx';
import { NewBatch } from './new-batch.tsx';
import { batchWords } from './words.ts';

/** A table and a description become a picture for each row; below, every batch that there is. */
export default function Batch() {
  const api = useApi();
  const words = useWords(batchWords);
  const [news, setNews] = useState('');
  const stock = useLoaded(async (signal) => {
    const [models, loras] = await Promise.all([api.models.list({ signal }), allLoras(api, signal)]);
    return { models: models.data, loras };
  });
  const history = useJobs<BatchView>({
    list: (page) => api.batches.list(page),
    follow: (batch, options) => api.batches.follow(batch, { ...options, longestPauseSeconds: 2 }),
    onEnd: (batch) => setNews(words.ended(titleOf(batch, words))),
    pageSize: 12,
  });
  return (
    <div class="page">
      <h1>{words.title}</h1>
      <p class="lead">{words.lead}</p>
      {stock.value ? (
        <NewBatch {...stock.value} onAsked={history.show} />
      ) : stock.problem ? (
        <Problem error={stock.problem} onRetry={stock.reload} />
      ) : (
        <Arriving />
      )}
      <section class="stack" aria-label={words.batches}>
        <h2>{words.batches}</h2>
        <Problem error={history.problem} onRetry={history.retry} />
        {!history.jobs && history.problem === null && <Arriving />}
        {history.jobs?.length === 0 && <p class="quiet">{words.empty}</p>}
        {history.jobs?.map((batch) => (
          <Job key={batch.id} batch={batch} onChange={history.show} />
        ))}
        {history.more && (
          <div>
            <button type="button" onClick={history.more}>
              {words.earlier}
            </button>
          </div>
        )}
        <p class="unseen" role="status">
          {news}
        </p>
      </section>
    </div>
  );
}
