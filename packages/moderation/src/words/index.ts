import { hate } from './hate.ts';
import { innocent } from './innocent.ts';
import type { WordList, Words } from './list.ts';
import { abuse, minors } from './minors.ts';
import { selfHarm } from './self-harm.ts';
import { people, sexual } from './sexual.ts';
import { violence } from './violence.ts';

/** What a word speaks of: a category, or what gives the others their weight. */
export type Kind =
  | 'sexual'
  | 'hate'
  | 'violence'
  | 'self_harm'
  | 'custom'
  | 'abuse'
  | 'minors'
  | 'people'
  | 'innocent'
  | 'allowed';

/** Words of a kind, and what one of them scores. */
type Row = readonly [Kind, WordList, number];

const rowsOf = (kind: Kind, { certain, likely = {}, faint = {}, veiled = {} }: Words): Row[] => [
  [kind, certain, 1],
  [kind, likely, 0.5],
  [kind, faint, 0.3],
  [kind, veiled, 0],
];

export const lists: readonly Row[] = [
  ...rowsOf('sexual', sexual),
  ...rowsOf('hate', hate),
  ...rowsOf('violence', violence),
  ...rowsOf('self_harm', selfHarm),
  ['abuse', abuse, 1],
  ['minors', minors, 0.5],
  ['people', people, 0.5],
  ['innocent', innocent, 0],
];
