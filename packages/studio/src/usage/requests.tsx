import type { ApiKey, Loraloom } from '@loraloom/client';
import { useEffect, useState } from 'preact/hooks';
import { Arriving } from '../parts/arriving.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { usageWords } from './words.ts';

type AuditEntry = Awaited<ReturnType<Loraloom['audit']>>['data'][number];

const today = () => new Date().toISOString().slice(0, 10);

/** What was asked for on a day, newest first. */
export function Requests({ keys }: { keys: readonly ApiKey[] }) {
  const api = useApi();
  const words = useWords(usageWords);
  const [day, setDay] = useState(today);
  const [entries, setEntries] = useState<AuditEntry[]>();
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState<unknown>(null);

  const load = async (after: string | null, signal?: AbortSignal) => {
    setProblem(null);
    try {
      const page = await api.audit({ day, limit: 20, ...(after === null ? {} : { after }), ...(signal ? { signal } : {}) });
      setEntries((before) => [...(after === null ? [] : (before ?? [])), ...page.data]);
      setNext(page.next);
    } catch (error) {
      if (!signal?.aborted) setProblem(error);
    }
  };
  useEffect(() => {
    const end = new AbortController();
    void load(null, end.signal);
    return () => end.abort();
  }, [day]);

  return (
    <section class="card stack" aria-label={words.requests}>
      <div class="between">
        <h2>{words.requests}</h2>
        <label class="row">
          {words.day}
          <input
            type="date"
            value={day}
            max={today()}
            onInput={({ currentTarget: { value } }) => value !== '' && setDay(value)}
          />
        </label>
      </div>
      <Problem error={problem} onRetry={() => void load(null)} />
      {!entries && !problem && <Arriving />}
      {entries?.length === 0 && <p class="quiet">{words.noRequests}</p>}
      {entries && entries.length > 0 && <Table entries={entries} keys={keys} />}
      {next !== null && (
        <div>
          <button type="button" onClick={() => void load(next)}>
            {words.earlier}
          </button>
        </div>
      )}
    </section>
  );
}

function Table({ entries, keys }: { entries: readonly AuditEntry[]; keys: readonly ApiKey[] }) {
  const { columns } = useWords(usageWords);
  const { language } = useSpeech();
  const time = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const took = new Intl.NumberFormat(language, { style: 'unit', unit: 'millisecond', unitDisplay: 'short' });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached with the keyboard
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {Object.values(columns).map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {entries.map(({ id, created_at, method, path, prompt, caller, status, code, milliseconds }) => (
            <tr key={id}>
              <td>{time.format(new Date(created_at))}</td>
              <td>
                <code>
                  {method} {path}
                </code>
                {prompt && <p class="quiet small">{prompt}</p>}
              </td>
              <td>{keys.find((key) => key.id === caller)?.name ?? caller}</td>
              <td class={status >= 400 ? 'bad' : ''}>
                {status} {code}
              </td>
              <td>{took.format(milliseconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
