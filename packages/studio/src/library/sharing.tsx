import type { LoraRecord } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { libraryWords } from './words.ts';

interface SharingProps {
  lora: LoraRecord;
  onChange: (lora: LoraRecord) => void;
}

/** Which other tenants may use a style. */
export function Sharing({ lora, onChange }: SharingProps) {
  const api = useApi();
  const words = useWords(libraryWords);
  const [tenant, setTenant] = useState('');
  const { busy, problem, attempt } = useAttempt();
  const change = (ask: () => Promise<LoraRecord>) =>
    attempt(async () => {
      onChange(await ask());
      setTenant('');
    });
  return (
    <form
      class="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        void change(() => api.loras.share(lora.name, tenant.trim()));
      }}
    >
      <h2>{words.share}</h2>
      <p class="quiet">{words.shareLead(`${words.shareYou}/${lora.name}`)}</p>
      {lora.shared_with.length > 0 && (
        <ul class="row">
          {lora.shared_with.map((one) => (
            <li key={one} class="chip on">
              {one}
              <button
                type="button"
                class="plain tiny"
                disabled={busy}
                aria-label={words.unshare(one)}
                onClick={() => void change(() => api.loras.unshare(lora.name, one))}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="row">
        <input
          class="grow"
          aria-label={words.shareTenant}
          placeholder={words.shareTenant}
          value={tenant}
          onInput={(event) => setTenant(event.currentTarget.value)}
        />
        <button type="submit" disabled={busy || tenant.trim() === ''}>
          <Icon name="share" /> {words.shareAdd}
        </button>
      </div>
      <Problem error={problem} />
    </form>
  );
}
