import type { ApiKey, NewKey, Page } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import type { Loaded } from '../load.ts';
import { day } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { MakeKey } from './make-key.tsx';
import { usageWords } from './words.ts';

/** The keys there are, and a way to make one and to end one. */
export function Keys({ value, problem, reload }: Loaded<Page<ApiKey>>) {
  const words = useWords(usageWords);
  const [fresh, setFresh] = useState<NewKey>();
  const [ending, setEnding] = useState<ApiKey>();
  return (
    <section class="card stack" aria-label={words.keys}>
      <h2>{words.keys}</h2>
      <p class="quiet">{words.keysLead}</p>
      {fresh ? (
        <Fresh fresh={fresh} onDone={() => setFresh(undefined)} />
      ) : (
        <MakeKey
          onMade={(key) => {
            setFresh(key);
            reload();
          }}
        />
      )}
      <Problem error={problem} onRetry={reload} />
      {!value && !problem && <Arriving />}
      <ul class="lines">
        {value?.data.map((key) => (
          <Key key={key.id} one={key} onEnd={() => setEnding(key)} />
        ))}
      </ul>
      {ending && (
        <Revoke
          one={ending}
          onClose={() => {
            setEnding(undefined);
            reload();
          }}
        />
      )}
    </section>
  );
}

function Key({ one, onEnd }: { one: ApiKey; onEnd: () => void }) {
  const words = useWords(usageWords);
  const { language } = useSpeech();
  const { name, scopes, created_at, expires_at } = one;
  const until = expires_at && (Date.parse(expires_at) < Date.now() ? words.expired : words.until(day(expires_at, language)));
  return (
    <li>
      <div>
        <p>{name ?? words.unnamed}</p>
        <p class="quiet small">
          {[scopes.map((scope) => words.scope[scope]).join(', '), words.made(day(created_at, language)), until]
            .filter(Boolean)
            .join(' · ')}
        </p>
      </div>
      <button type="button" class="plain danger" aria-label={words.revokeOf(name ?? words.unnamed)} onClick={onEnd}>
        {words.revoke}
      </button>
    </li>
  );
}

function Fresh({ fresh, onDone }: { fresh: NewKey; onDone: () => void }) {
  const words = useWords(usageWords);
  const [copied, setCopied] = useState(false);
  const { problem, attempt } = useAttempt();
  return (
    <div class="fresh stack" role="status">
      <p>{words.fresh}</p>
      <code>{fresh.key}</code>
      <div class="row">
        <button
          type="button"
          onClick={() =>
            attempt(async () => {
              await navigator.clipboard.writeText(fresh.key);
              setCopied(true);
            })
          }
        >
          {copied ? words.copied : words.copy}
        </button>
        <button type="button" onClick={onDone}>
          {words.done}
        </button>
      </div>
      <Problem error={problem} />
    </div>
  );
}

function Revoke({ one, onClose }: { one: ApiKey; onClose: () => void }) {
  const api = useApi();
  const words = useWords(usageWords);
  const { busy, problem, attempt } = useAttempt();
  const title = words.revokeTitle(one.name ?? words.unnamed);
  return (
    <Dialog label={title} onClose={onClose}>
      <div class="stack">
        <h2>{title}</h2>
        <p>{words.revokeLead}</p>
        <Problem error={problem} />
        <div class="row">
          <button type="button" onClick={onClose}>
            {words.revokeNo}
          </button>
          <button
            type="button"
            class="danger"
            disabled={busy}
            onClick={() => attempt(() => api.keys.revoke(one.id).then(onClose))}
          >
            {words.revokeYes}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
