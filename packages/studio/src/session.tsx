import { connect, type Loraloom } from '@loraloom/client';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

/** Where the API is: where the page is, unless it was built for another. */
export const apiUrl = import.meta.env?.VITE_API_URL ?? globalThis.location?.origin ?? '';

/** A key opens one API: each has a place of its own. */
const place = `loraloom.key ${apiUrl}`;

/**
 * The API key or token: from the address's fragment (`#key=…`, which is never sent to a server), or from the last visit.
 * @returns null where there is none yet
 */
export function keyFrom(hash: string, kept: string | null): { key: string | null; fresh: boolean } {
  const given = new URLSearchParams(hash.replace(/^#/, '')).get('key');
  return given ? { key: given, fresh: true } : { key: kept, fresh: false };
}

/** The visitor's key; one that came with the address is kept, and wiped from it. */
export function readKey(): string | null {
  const { key, fresh } = keyFrom(location.hash, localStorage.getItem(place));
  if (fresh && key) {
    keepKey(key);
    history.replaceState(null, '', location.pathname);
  }
  return key;
}

export function keepKey(key: string | null): void {
  if (key === null) localStorage.removeItem(place);
  else localStorage.setItem(place, key.trim());
}

export const connectWith = (key: string): Loraloom => connect({ url: apiUrl, apiKey: key });

const Connection = createContext<Loraloom | null>(null);
export const Connected = Connection.Provider;

/** Whether there is a key already. */
export const useHasKey = () => useContext(Connection) !== null;

/** The API, as the visitor may use it. */
export function useApi(): Loraloom {
  const api = useContext(Connection);
  if (!api) throw new Error('no connection around this component');
  return api;
}
