import type { LoraRecord } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Problem } from '../parts/problem.tsx';
import { wordsOf } from '../registry.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { libraryWords } from './words.ts';

interface DescribeProps {
  lora: LoraRecord;
  onChange: (lora: LoraRecord) => void;
}

/** What is said of a style. */
export function Describe({ lora, onChange }: DescribeProps) {
  const api = useApi();
  const words = useWords(libraryWords);
  const [triggers, setTriggers] = useState(lora.trigger_words.join(', '));
  const [license, setLicense] = useState(lora.license ?? '');
  const [saved, setSaved] = useState(false);
  const { busy, problem, attempt } = useAttempt();
  const save = async () => {
    const change = { trigger_words: wordsOf(triggers), license: license.trim() === '' ? null : license.trim() };
    onChange(await api.loras.update(lora.name, change));
    setSaved(true);
  };
  return (
    <form
      class="card stack"
      onInput={() => setSaved(false)}
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(save);
      }}
    >
      <div class="pair">
        <label class="field">
          {words.triggers}
          <input value={triggers} onInput={(event) => setTriggers(event.currentTarget.value)} />
          <span class="quiet small">{words.triggersHint}</span>
        </label>
        <label class="field">
          {words.license}
          <input
            value={license}
            maxLength={200}
            placeholder="CC-BY-4.0"
            onInput={(event) => setLicense(event.currentTarget.value)}
          />
        </label>
      </div>
      <div class="row">
        <button type="submit" disabled={busy}>
          {words.save}
        </button>
        <span role="status" class="quiet">
          {saved ? words.saved : ''}
        </span>
      </div>
      <Problem error={problem} />
    </form>
  );
}
