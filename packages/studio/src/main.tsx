import './style/index.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { Door } from './door.tsx';
import { Connected, connectWith, readKey } from './session.tsx';
import { Speaking } from './speech.tsx';

// An address with a key that is opened in this tab brings its key along, too.
addEventListener('hashchange', () => {
  if (new URLSearchParams(location.hash.slice(1)).has('key')) location.reload();
});

const key = readKey();
const root = document.getElementById('app');
if (root)
  render(
    <Speaking>
      {key === null ? (
        <Door />
      ) : (
        <Connected value={connectWith(key)}>
          <App />
        </Connected>
      )}
    </Speaking>,
    root,
  );
