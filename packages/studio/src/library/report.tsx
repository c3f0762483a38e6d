import type { LoraReport } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { useLoaded } from '../load.ts';
import { bytes } from '../numbers.ts';
import { Facts } from '../parts/facts.tsx';
import { Problem } from '../parts/problem.tsx';
import { loraName, wordsOf } from '../registry.ts';
import { goTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { libraryWords } from './words.ts';

interface ReportProps {
  fileName: string;
  report: LoraReport;
  onDiscard: () => void;
}

/** What a file is, why it cannot be imported, and what to import it as if it can. */
export function Report({ fileName, report, onDiscard }: ReportProps) {
  const words = useWords(libraryWords);
  const { language } = useSpeech();
  const { facts } = words;
  const { base, ranks, formats, layers, problems, size_bytes, trigger_words } = report;
  return (
    <section class="card stack" aria-label={words.report}>
      <h2>{fileName}</h2>
      <Facts
        rows={[
          [facts.base, base ?? facts.unknown],
          [facts.format, formats.join(', ') || facts.unknown],
          [facts.rank, ranks.join(', ')],
          [
            facts.layers,
            [facts.unet(layers.unet.adapted, layers.unet.of), facts.text(layers.text.adapted, layers.text.of)].join(', '),
          ],
          [words.triggers, trigger_words.join(', ')],
          [facts.size, bytes(size_bytes, language)],
        ]}
      />
      {problems.length > 0 ? (
        <div class="problem" role="alert">
          <strong>{words.reportBad}</strong>
          {problems.map(({ code, message }) => (
            <p key={`${code} ${message}`}>{message}</p>
          ))}
          <button type="button" onClick={onDiscard}>
            {words.discard}
          </button>
        </div>
      ) : (
        <ImportAs fileName={fileName} report={report} onDiscard={onDiscard} />
      )}
    </section>
  );
}

function ImportAs({ fileName, report, onDiscard }: ReportProps) {
  const api = useApi();
  const words = useWords(libraryWords);
  const models = useLoaded((signal) => api.models.list({ signal }));
  const [name, setName] = useState(loraName(fileName.replace(/\.safetensors$/i, '')));
  const [model, setModel] = useState<string>();
  const [triggers, setTriggers] = useState(report.trigger_words.join(', '));
  const [license, setLicense] = useState('');
  const { busy, problem, attempt } = useAttempt();
  const fitting = models.value?.data.filter(({ family }) => report.base === null || family === report.base) ?? [];
  const base = model ?? fitting[0]?.name;

  const importIt = async (into: string) => {
    const lora = { name, file_id: report.file_id, model: into, trigger_words: wordsOf(triggers) };
    await api.loras.import({ ...lora, ...(license.trim() === '' ? {} : { license: license.trim() }) });
    goTo('library', name);
  };

  if (models.value && fitting.length === 0)
    return (
      <div class="stack">
        <p>{words.noBase(report.base ?? '')}</p>
        <button type="button" onClick={onDiscard}>
          {words.discard}
        </button>
      </div>
    );
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (base !== undefined) void attempt(() => importIt(base));
      }}
    >
      <div class="pair">
        <label class="field">
          {words.name}
          <input
            value={name}
            maxLength={60}
            required
            pattern="[a-z0-9][a-z0-9._\-]*"
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <span class="quiet small">{words.nameHint}</span>
        </label>
        <label class="field">
          {words.facts.base}
          <select value={base} onChange={(event) => setModel(event.currentTarget.value)}>
            {fitting.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        </label>
        <label class="field">
          {words.triggers}
          <input value={triggers} onInput={(event) => setTriggers(event.currentTarget.value)} />
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
      <Problem error={problem ?? models.problem} />
      <div class="row">
        <button type="submit" class="primary" disabled={busy || base === undefined}>
          {words.importAs}
        </button>
        <button type="button" onClick={onDiscard}>
          {words.discard}
        </button>
      </div>
    </form>
  );
}
