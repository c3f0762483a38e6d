import { useState } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Cover } from '../parts/cover.tsx';
import { Problem } from '../parts/problem.tsx';
import { allLoras } from '../registry.ts';
import { linkTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { ImportFile } from './import-file.tsx';
import { libraryWords } from './words.ts';

/** So many are found by looking. */
const few = 12;

/** All styles by their covers, and a place to drop a file of another. */
export function Gallery() {
  const api = useApi();
  const words = useWords(libraryWords);
  const [wanted, setWanted] = useState('');
  const { value: loras, problem, reload } = useLoaded((signal) => allLoras(api, signal));
  const found = loras?.filter(({ name }) => name.includes(wanted.trim().toLowerCase()));
  return (
    <div class="page">
      <h1>{words.title}</h1>
      <p class="lead">{words.lead}</p>
      <ImportFile />
      <Problem error={problem} onRetry={reload} />
      {!loras && problem === null && <Arriving />}
      {loras && loras.length > few && (
        <label class="field find">
          {words.filter}
          <input type="search" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        </label>
      )}
      {loras?.length === 0 ? (
        <div class="empty">
          <h2>{words.emptyTitle}</h2>
          <p class="quiet">{words.empty}</p>
          <a class="button" href={linkTo('train')}>
            {words.train}
          </a>
        </div>
      ) : (
        <ul class="shelf">
          {found?.map(({ name, cover_url, model, shared_with }) => (
            <li key={name}>
              <a href={linkTo('library', name)}>
                <Cover name={name} url={cover_url} />
                <h2>{name}</h2>
                <p class="quiet small">
                  {model}
                  {shared_with.length > 0 && ` · ${words.sharedWith(shared_with.length)}`}
                </p>
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
