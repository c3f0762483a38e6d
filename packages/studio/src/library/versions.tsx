import type { LoraRecord, LoraVersion } from '@loraloom/client';
import { useEffect, useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { bytes, moment } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { libraryWords } from './words.ts';

interface VersionsProps {
  lora: LoraRecord;
  onChange: (lora: LoraRecord) => void;
}

/** Every version of a style, newest first; one of them is what its name stands for. */
export function Versions({ lora, onChange }: VersionsProps) {
  const api = useApi();
  const words = useWords(libraryWords);
  const { language } = useSpeech();
  const [versions, setVersions] = useState<LoraVersion[]>();
  const [next, setNext] = useState<string | null>(null);
  const { busy, problem, attempt } = useAttempt();

  const load = (after: string | null) =>
    attempt(async () => {
      const page = await api.loras.versions(lora.name, after === null ? {} : { after });
      setVersions((before) => [...(after === null ? [] : (before ?? [])), ...page.data]);
      setNext(page.next);
    });
  useEffect(() => void load(null), []);

  const download = async (version: LoraVersion, forDiffusers: boolean) => {
    const { url, diffusers_url } = await api.loras.get(`${lora.name}@${version.lora_id}`);
    // The bucket says that it is a file to keep: the page stays.
    location.assign((forDiffusers && diffusers_url) || url);
  };

  return (
    <section class="card stack" aria-label={words.versions}>
      <h2>{words.versions}</h2>
      {!versions && problem === null && <Arriving />}
      <ul class="versions">
        {versions?.map((version) => (
          <li key={version.lora_id}>
            <div>
              <p>{moment(version.created_at, language)}</p>
              <p class="quiet small">
                {words.facts.rank} {version.rank} · {bytes(version.size_bytes, language)} · <code>{version.lora_id}</code>
              </p>
            </div>
            {version.lora_id === lora.lora_id ? (
              <span class="chip on">
                <Icon name="check" /> {words.latest}
              </span>
            ) : (
              <button
                type="button"
                disabled={busy}
                onClick={() => attempt(async () => onChange(await api.loras.update(lora.name, { latest: version.lora_id })))}
              >
                {words.makeLatest}
              </button>
            )}
            <div class="row">
              <button type="button" class="plain" onClick={() => attempt(() => download(version, false))}>
                <Icon name="download" /> {words.download}
              </button>
              {version.diffusers && (
                <button type="button" class="plain" onClick={() => attempt(() => download(version, true))}>
                  <Icon name="download" /> {words.forDiffusers}
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
      {next !== null && (
        <button type="button" onClick={() => void load(next)}>
          {words.earlier}
        </button>
      )}
      <Problem error={problem} onRetry={!versions ? () => void load(null) : undefined} />
    </section>
  );
}
