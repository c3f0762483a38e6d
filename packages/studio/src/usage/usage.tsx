import './usage.css';
import { LoraloomError } from '@loraloom/client';
import { useLoaded } from '../load.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { Keys } from './keys.tsx';
import { Quotas } from './quotas.tsx';
import { Requests } from './requests.tsx';
import { usageWords } from './words.ts';

/** What was used and what there is, the keys, and what was asked with them. */
export default function Usage() {
  const api = useApi();
  const words = useWords(usageWords);
  const keys = useLoaded((signal) => api.keys.list({ limit: 100, signal }));
  const closed = keys.problem instanceof LoraloomError && keys.problem.code === 'insufficient_scope';
  return (
    <div class="page">
      <h1>{words.title}</h1>
      <Quotas />
      {closed ? (
        <p class="quiet">{words.keysClosed}</p>
      ) : (
        <>
          <Keys {...keys} />
          <Requests keys={keys.value?.data ?? []} />
        </>
      )}
    </div>
  );
}
