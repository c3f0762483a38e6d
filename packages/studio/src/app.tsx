import type { ComponentType } from 'preact';
import { useEffect, useErrorBoundary, useRef, useState } from 'preact/hooks';
import { appWords } from './app-words.ts';
import { Arriving } from './parts/arriving.tsx';
import { Problem } from './parts/problem.tsx';
import { linkTo, type Room, rooms, useRoute } from './route.ts';
import { keepKey } from './session.tsx';
import { type Language, languages, useSpeech, useWords } from './speech.tsx';

/** What each page gets: what follows its name in the address. */
export interface RoomProps {
  rest: readonly string[];
}

/**
 * Each page is a chunk of its own, fetched when it is visited first. A new one is a folder with its component, words and
 * styles, a name in `route.ts`, its title in `app-words.ts` and a line here.
 */
const pages: Record<Room, () => Promise<{ default: ComponentType<RoomProps> }>> = {
  create: () => import('./create/create.tsx'),
  train: () => import('./train/train.tsx'),
  batch: () => import('./batch/batch.tsx'),
  library: () => import('./library/library.tsx'),
  usage: () => import('./usage/usage.tsx'),
};

/** The frame around every page. */
export function App() {
  const { room, rest } = useRoute();
  const words = useWords(appWords);
  const main = useRef<HTMLElement>(null);
  const arrived = useRef(room);
  useEffect(() => {
    document.title = `${words.rooms[room]} · Loraloom`;
    // Who came by a link stands at the new page's beginning, also with a screen reader.
    if (arrived.current !== room) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    arrived.current = room;
  }, [room, words]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        {words.skip}
      </button>
      <header class="top">
        <a class="wordmark" href={linkTo('create')}>
          <img src="/mark.svg" alt="" width="26" height="26" />
          Loraloom
        </a>
        <nav aria-label={words.pages}>
          {rooms.map((name) => (
            <a key={name} href={linkTo(name)} aria-current={name === room ? 'page' : undefined}>
              {words.rooms[name]}
            </a>
          ))}
        </nav>
        <Corner />
      </header>
      <main ref={main} tabIndex={-1}>
        <Page key={room} room={room} rest={rest} />
      </main>
    </>
  );
}

function Page({ room, rest }: { room: Room; rest: readonly string[] }) {
  const [page, setPage] = useState<{ Room: ComponentType<RoomProps> }>();
  const [missing, setMissing] = useState(false);
  const [broken] = useErrorBoundary();
  useEffect(() => {
    pages[room]().then(
      ({ default: Room }) => setPage({ Room }),
      () => setMissing(true),
    );
  }, [room]);
  // After an update of the site its old chunks are gone; offline they do not come.
  if (missing) return <Problem error={{ code: 'page_missing', message: '', param: null }} onRetry={() => location.reload()} />;
  if (broken) return <Problem error={broken} onRetry={() => location.reload()} />;
  if (!page) return <Arriving />;
  return <page.Room rest={rest} />;
}

/** Language, and the way out. */
function Corner() {
  const words = useWords(appWords);
  const { language, speak } = useSpeech();
  const other: Language = language === 'en' ? 'zh' : 'en';
  return (
    <div class="corner">
      <button type="button" class="plain" lang={other === 'zh' ? 'zh-Hans' : other} onClick={() => speak(other)}>
        {languages[other]}
      </button>
      <button
        type="button"
        class="plain"
        onClick={() => {
          keepKey(null);
          location.reload();
        }}
      >
        {words.leave}
      </button>
    </div>
  );
}
