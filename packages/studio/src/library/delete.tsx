import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { goTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { libraryWords } from './words.ts';

/** Takes a style out of use, after asking. */
export function Delete({ name }: { name: string }) {
  const api = useApi();
  const words = useWords(libraryWords);
  const [asking, setAsking] = useState(false);
  const { busy, problem, attempt } = useAttempt();
  const remove = async () => {
    await api.loras.delete(name);
    goTo('library');
  };
  return (
    <p>
      <button type="button" class="plain danger" onClick={() => setAsking(true)}>
        <Icon name="trash" /> {words.remove}
      </button>
      {asking && (
        <Dialog label={words.removeTitle(name)} onClose={() => setAsking(false)}>
          <div class="stack">
            <h2>{words.removeTitle(name)}</h2>
            <p>{words.removeLead}</p>
            <Problem error={problem} />
            <div class="row">
              <button type="button" onClick={() => setAsking(false)}>
                {words.removeNo}
              </button>
              <button type="button" class="danger" disabled={busy} onClick={() => void attempt(remove)}>
                {words.removeYes}
              </button>
            </div>
          </div>
        </Dialog>
      )}
    </p>
  );
}
