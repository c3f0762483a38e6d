import { useEffect, useState } from 'preact/hooks';

/** The pages, in the order in which they stand in the navigation. */
export const rooms = ['create', 'train', 'batch', 'library', 'usage'] as const;
export type Room = (typeof rooms)[number];

export interface Route {
  room: Room;
  /** What follows the room in the address, decoded: `#/library/ink` → `['ink']`. */
  rest: string[];
}

/** The page that an address's fragment names; the first one where it names none. */
export function routeOf(hash: string): Route {
  const [first, ...rest] = hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '');
  const room = rooms.find((name) => name === first);
  return room ? { room, rest: rest.map(decoded) } : { room: 'create', rest: [] };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a page, for a link. */
export const linkTo = (room: Room, ...rest: string[]): string => `#/${[room, ...rest.map(encodeURIComponent)].join('/')}`;

export const goTo = (room: Room, ...rest: string[]): void => {
  location.hash = linkTo(room, ...rest);
};

/** The page that the address names now. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  return routeOf(hash);
}
