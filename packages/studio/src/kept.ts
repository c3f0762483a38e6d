import { useEffect, useState } from 'preact/hooks';
import { apiUrl } from './session.tsx';

/**
 * What a visitor was about to do, kept in this browser: it is there again after a reload, or when the page is visited next.
 * @param read makes it of what was kept, in whatever state that is; of undefined where nothing was
 */
export function useKept<T>(name: string, read: (kept: unknown) => T): [T, (next: T | ((before: T) => T)) => void] {
  const place = `loraloom.${name} ${apiUrl}`;
  const [value, setValue] = useState(() => read(keptAt(place)));
  useEffect(() => {
    try {
      localStorage.setItem(place, JSON.stringify(value));
    } catch {
      // The browser keeps nothing, or its place is full: then it lasts as long as the page.
    }
  }, [value]);
  return [value, setValue];
}

function keptAt(place: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(place) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}
