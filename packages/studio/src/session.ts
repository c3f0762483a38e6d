import { connect, type Loraloom } from '@loraloom/client';

const place = 'loraloom.key';

/**
 * The API key: from the address's fragment (`#key=…`, which is never sent to a server), which is then wiped, or from the last visit.
 * @returns null where there is none yet
 */
export function keyFrom(hash: string, kept: string | null): { key: string | null; fresh: boolean } {
  const given = new URLSearchParams(hash.replace(/^#/, '')).get('key');
  return given ? { key: given, fresh: true } : { key: kept, fresh: false };
}

/** A connection with the visitor's key, or null until there is one. The API is where the page is, unless it was built for another. */
export function openSession(): Loraloom | null {
  const { key, fresh } = keyFrom(location.hash, localStorage.getItem(place));
  if (fresh && key) {
    localStorage.setItem(place, key);
    history.replaceState(null, '', location.pathname);
  }
  return key ? connect({ url: import.meta.env.VITE_API_URL ?? location.origin, apiKey: key }) : null;
}

export function keepKey(key: string): void {
  localStorage.setItem(place, key.trim());
}

/** What went wrong, in words that say what to do. */
export function explain(error: unknown): string {
  if (error instanceof TypeError) return 'The server does not answer. Is it running? Try again in a moment.';
  return error instanceof Error ? error.message : String(error);
}
