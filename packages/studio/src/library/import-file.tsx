import type { LoraReport } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Drop } from '../parts/drop.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sending, useUpload } from '../parts/sending.tsx';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { Report } from './report.tsx';
import { libraryWords } from './words.ts';

/** A file of a LoRA that was made elsewhere: uploaded, looked at, and imported or put away. */
export function ImportFile() {
  const api = useApi();
  const words = useWords(libraryWords);
  const [seen, setSeen] = useState<{ name: string; report: LoraReport }>();
  const { sending, upload } = useUpload();
  const { busy, problem, attempt } = useAttempt();
  const look = (file: File | undefined) =>
    file &&
    attempt(async () => {
      const { id } = await upload(file, { contentType: 'application/octet-stream' });
      setSeen({ name: file.name, report: await api.loras.inspect(id) });
    });
  return (
    <div class="stack">
      {seen ? (
        <Report fileName={seen.name} report={seen.report} onDiscard={() => setSeen(undefined)} />
      ) : sending ? (
        <div class="card">
          <Sending {...sending} />
        </div>
      ) : busy ? (
        <p class="card quiet">{words.looking}</p>
      ) : (
        <Drop accept=".safetensors" onFiles={([file]) => void look(file)}>
          {words.drop}
        </Drop>
      )}
      <Problem error={problem} />
    </div>
  );
}
