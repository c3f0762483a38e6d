import { useState } from 'preact/hooks';
import { appWords } from './app-words.ts';
import { Problem } from './parts/problem.tsx';
import { connectWith, keepKey } from './session.tsx';
import { useWords } from './speech.tsx';

/** Where there is no key yet: `npm start` prints an address that brings one along. */
export function Door() {
  const words = useWords(appWords);
  const [key, setKey] = useState('');
  const [looking, setLooking] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const enter = async () => {
    setLooking(true);
    setProblem(null);
    try {
      // One that is not accepted is not kept.
      await connectWith(key.trim()).models.list();
      keepKey(key);
      location.reload();
    } catch (error) {
      setProblem(error);
      setLooking(false);
    }
  };
  return (
    <main class="door">
      <img src="/mark.svg" alt="" width="56" height="56" />
      <h1>Loraloom</h1>
      <p class="lead">{words.welcome}</p>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <label class="field">
          {words.key}
          <input
            type="password"
            value={key}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={key.trim() === '' || looking}>
          {looking ? words.entering : words.enter}
        </button>
        <p class="quiet small">{words.keyHint}</p>
        <Problem error={problem} />
      </form>
    </main>
  );
}
