import './library.css';
import type { RoomProps } from '../app.tsx';
import { Gallery } from './gallery.tsx';
import { Style } from './style.tsx';

/** The styles, or one of them: `#/library/ink`. */
export default function Library({ rest: [name] }: RoomProps) {
  return name === undefined ? <Gallery /> : <Style key={name} name={name} />;
}
