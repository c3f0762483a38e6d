import type { ApiKey, NewKey } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { usageWords } from './words.ts';

type Scope = ApiKey['scopes'][number];
const scopes: readonly Scope[] = ['images', 'trainings', 'admin'];

const dayMilliseconds = 24 * 60 * 60 * 1000;
/** 0: without an end */
const terms = [30, 90, 365, 0];

/** What a new key is for, what it may do and for how long. */
export function MakeKey({ onMade }: { onMade: (key: NewKey) => void }) {
  const api = useApi();
  const words = useWords(usageWords);
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<readonly Scope[]>(['images']);
  const [days, setDays] = useState(90);
  const { busy, problem, attempt } = useAttempt();
  const make = async () => {
    const expires_at = days === 0 ? null : new Date(Date.now() + days * dayMilliseconds).toISOString();
    onMade(await api.keys.create({ name: name.trim() === '' ? null : name.trim(), scopes: [...chosen], expires_at }));
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(make);
      }}
    >
      <div class="pair">
        <label class="field">
          {words.name}
          <input
            value={name}
            maxLength={100}
            placeholder={words.nameExample}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          {words.expires}
          <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
            {terms.map((term) => (
              <option key={term} value={term}>
                {term === 0 ? words.never : words.days(term)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <fieldset class="ticks">
        <legend>{words.scopes}</legend>
        {scopes.map((scope) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={chosen.includes(scope)}
              onChange={({ currentTarget: { checked } }) =>
                setChosen((before) => (checked ? [...before, scope] : before.filter((one) => one !== scope)))
              }
            />
            {words.scope[scope]}
          </label>
        ))}
      </fieldset>
      <Problem error={problem} />
      <div>
        <button type="submit" disabled={busy || chosen.length === 0}>
          {words.make}
        </button>
      </div>
    </form>
  );
}
