import type { Loraloom, LoraRecord } from '@loraloom/client';
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Create } from './create.tsx';
import { explain, keepKey, openSession } from './session.ts';
import { Train } from './train.tsx';

function Studio({ api }: { api: Loraloom }) {
  const [room, setRoom] = useState<'create' | 'train'>('create');
  const [styles, setStyles] = useState<LoraRecord[]>([]);
  const [model, setModel] = useState<string>();
  const [problem, setProblem] = useState('');
  const refresh = () =>
    Promise.all([api.models.list(), api.loras.list({ limit: 100 })])
      .then(([models, loras]) => {
        setModel(models.data[0]?.name);
        setStyles(loras.data);
      })
      .catch((error) => setProblem(explain(error)));
  useEffect(() => void refresh(), []);
  const tab = (name: typeof room, title: string) => (
    <button type="button" aria-current={room === name ? 'page' : undefined} onClick={() => setRoom(name)}>
      {title}
    </button>
  );
  return (
    <>
      <header>
        <h1>Loraloom</h1>
        <nav aria-label="Rooms">
          {tab('create', 'Create')}
          {tab('train', 'Train a style')}
        </nav>
      </header>
      <main>
        {problem && <p role="alert">{problem}</p>}
        {model && room === 'create' && <Create api={api} model={model} styles={styles} />}
        {model && room === 'train' && <Train api={api} model={model} onTrained={refresh} />}
      </main>
    </>
  );
}

/** Where there is no key yet: `npm start` prints an address that brings one along. */
function Door() {
  const [key, setKey] = useState('');
  const enter = () => {
    keepKey(key);
    location.reload();
  };
  return (
    <main class="door">
      <h1>Loraloom</h1>
      <label>
        API key
        <input type="password" value={key} autocomplete="off" onInput={(event) => setKey(event.currentTarget.value)} />
      </label>
      <button type="button" class="primary" disabled={key.trim() === ''} onClick={enter}>
        Enter
      </button>
      <p class="quiet">The server prints it when it starts.</p>
    </main>
  );
}

const api = openSession();
const root = document.getElementById('app');
if (root) render(api ? <Studio api={api} /> : <Door />, root);
