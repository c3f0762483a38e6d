import type { LoraReport } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { bytes } from '../numbers.ts';
import { Drop } from '../parts/drop.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { Report } from './report.tsx';
import { libraryWords } from './words.ts';

type State =
  | { kind: 'empty' }
  | { kind: 'sending'; name: string; sent: number; all: number }
  | { kind: 'seen'; name: string; report: LoraReport };

/** A file of a LoRA that was made elsewhere: uploaded, looked at, and imported or put away. */
export function ImportFile() {
  const api = useApi();
  const words = useWords(libraryWords);
  const { language } = useSpeech();
  const [state, setState] = useState<State>({ kind: 'empty' });
  const [problem, setProblem] = useState<unknown>(null);

  const look = async (file: File | undefined) => {
    if (!file) return;
    const { name, size } = file;
    const sending = (sent: number) => setState({ kind: 'sending', name, sent, all: size });
    setProblem(null);
    sending(0);
    try {
      const { id } = await api.files.upload(file, { contentType: 'application/octet-stream', onProgress: sending });
      setState({ kind: 'seen', name, report: await api.loras.inspect(id) });
    } catch (error) {
      setProblem(error);
      setState({ kind: 'empty' });
    }
  };

  return (
    <div class="stack">
      {state.kind === 'empty' && (
        <Drop accept=".safetensors" onFiles={([file]) => void look(file)}>
          {words.drop}
        </Drop>
      )}
      {state.kind === 'sending' && (
        <div class="card">
          <p>{state.name}</p>
          <Meter label={state.name} value={state.sent} of={state.sent < state.all ? state.all : 0} />
          <p class="quiet small">
            {state.sent < state.all ? words.uploading(bytes(state.sent, language), bytes(state.all, language)) : words.looking}
          </p>
        </div>
      )}
      {state.kind === 'seen' && (
        <Report fileName={state.name} report={state.report} onDiscard={() => setState({ kind: 'empty' })} />
      )}
      <Problem error={problem} />
    </div>
  );
}
