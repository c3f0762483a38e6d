/*
 * A pen's alphabet. Machines without any font draw labels too, and nothing has to parse SVG for it.
 * Each letter is strokes parted by "/", a stroke is points, a point two digits: x to the right, y down.
 * Capitals stand on y = 6 and reach 0, small letters 2, descenders 8.
 */
const bowl = '43 32 12 03 05 16 36 45';
const round = '03 12 32 43 45 36 16 05';
const letters: Readonly<Record<string, string>> = {
  a: `42 46/${bowl}`,
  b: `00 06/${round}`,
  c: bowl,
  d: `40 46/${bowl}`,
  e: '04 44 43 32 12 03 05 16 36 45',
  f: '30 20 11 16/02 32',
  g: `42 47 38 18 07/${bowl}`,
  h: '00 06/03 12 32 43 46',
  i: '02 06/00 00',
  j: '12 17 08/10 10',
  k: '00 06/32 04 36',
  l: '00 06',
  m: '02 06/03 12 22 33 36/33 42 52 63 66',
  n: '02 06/03 12 32 43 46',
  o: `${round} 03`,
  p: `02 08/${round}`,
  q: `42 48/${bowl}`,
  r: '02 06/03 12 32',
  s: '42 12 03 14 34 45 36 06',
  t: '10 15 26 36/02 32',
  u: '02 05 16 36 45/42 46',
  v: '02 26 42',
  w: '02 16 32 56 62',
  x: '02 46/42 06',
  y: '02 26/42 18',
  z: '02 42 06 46',
  A: '06 20 46/14 34',
  B: '00 30 41 42 33 03/33 44 45 36 06 00',
  C: '41 30 10 01 05 16 36 45',
  D: '00 20 42 44 26 06 00',
  E: '40 00 06 46/03 33',
  F: '40 00 06/03 33',
  G: '41 30 10 01 05 16 36 45 43 23',
  H: '00 06/40 46/03 43',
  I: '00 06',
  J: '30 35 26 16 05',
  K: '00 06/40 03 46',
  L: '00 06 36',
  M: '06 00 33 60 66',
  N: '06 00 46 40',
  O: '10 40 51 55 46 16 05 01 10',
  P: '06 00 30 41 42 33 03',
  Q: '10 40 51 55 46 16 05 01 10/34 56',
  R: '06 00 30 41 42 33 03/23 46',
  S: '41 30 10 01 02 13 33 44 45 36 16 05',
  T: '00 40/20 26',
  U: '00 05 16 36 45 40',
  V: '00 26 40',
  W: '00 16 32 56 60',
  X: '00 46/40 06',
  Y: '00 23 40/23 26',
  Z: '00 40 06 46',
  0: '10 30 41 45 36 16 05 01 10',
  1: '01 10 16',
  2: '01 10 30 41 42 06 46',
  3: '01 10 30 41 42 33 13/33 44 45 36 16 05',
  4: '36 30 04 44',
  5: '40 00 03 33 44 45 36 06',
  6: '30 10 01 05 16 36 45 44 33 03',
  7: '00 40 16',
  8: '10 30 41 42 33 13 02 01 10/13 04 05 16 36 45 44 33',
  9: '16 36 45 41 30 10 01 02 13 43',
  ' ': '10 10',
  ',': '16 07',
  '.': '06 06',
  ':': '03 03/06 06',
  ';': '13 13/16 07',
  '!': '00 04/06 06',
  '?': '01 10 30 41 32 23 24/26 26',
  "'": '00 01',
  '"': '00 01/20 21',
  '-': '04 24',
  '−': '04 44',
  '–': '04 44',
  _: '07 47',
  '+': '04 44/22 26',
  '=': '03 43/05 45',
  '×': '02 46/42 06',
  '/': '07 40',
  '%': '06 40/00 00/46 46',
  '(': '10 01 05 16',
  ')': '00 11 15 06',
  '[': '10 00 06 16',
  ']': '00 10 16 06',
  '<': '42 04 46',
  '>': '02 44 06',
  '#': '10 16/30 36/02 42/04 44',
  '·': '04 04',
  '…': '06 06/26 26/46 46',
  '→': '04 54/32 54 36',
};
/** What stands for a letter that is missing above. */
const unknown = '00 40 46 06 00';

type Point = readonly [x: number, y: number];
interface Letter {
  strokes: readonly (readonly Point[])[];
  width: number;
}

const drawn = new Map<string, Letter>();

function letterOf(character: string): Letter {
  const known = drawn.get(character);
  if (known) return known;
  const strokes = (letters[character] ?? unknown)
    .split('/')
    .map((stroke) => stroke.split(' ').map((point): Point => [Number(point[0]), Number(point[1])]));
  const letter = {
    strokes: character === ' ' ? [] : strokes,
    width: Math.max(...strokes.flat().map(([x]) => x)),
  };
  drawn.set(character, letter);
  return letter;
}

/** Free space after a letter and the pen's width, in the alphabet's units; a capital is 6 high. */
const gap = 1.9;
const pen = 0.85;

/** How wide a line of text is, in pixels, its capitals `height` pixels high. */
export function textWidth(text: string, height: number): number {
  return (Array.from(text).reduce((sum, character) => sum + letterOf(character).width + gap, -gap) * height) / 6;
}

/** Breaks a text at its spaces into lines no wider than `width` pixels; a single word may be wider. */
export function wrap(text: string, height: number, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && textWidth(`${line} ${word}`, height) <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * Writes a line of text onto a picture `[height, width, 3]`, smooth at its edges; what lies outside is cut off.
 * @param x,y its upper left corner in pixels, a capital's top
 * @param height of a capital in pixels
 */
export function writeText(
  picture: { width: number; height: number; data: Uint8Array },
  text: string,
  { x, y, height, colour = [32, 32, 36] }: { x: number; y: number; height: number; colour?: readonly [number, number, number] },
): void {
  const unit = height / 6;
  const radius = (pen / 2) * unit;
  let left = x;
  for (const character of text) {
    const { strokes, width } = letterOf(character);
    const lines = strokes.flatMap((points) => points.map((to, i): [Point, Point] => [points[Math.max(0, i - 1)] ?? to, to]));
    for (let py = Math.floor(y - radius - 1); py < y + 8 * unit + radius + 1; py++) {
      for (let px = Math.floor(left - radius - 1); px < left + width * unit + radius + 1; px++) {
        if (px < 0 || py < 0 || px >= picture.width || py >= picture.height) continue;
        const at: Point = [(px + 0.5 - left) / unit, (py + 0.5 - y) / unit];
        const distance =
          lines.reduce((least, [from, to]) => Math.min(least, distanceTo(at, from, to)), Number.POSITIVE_INFINITY) * unit;
        const ink = Math.min(1, Math.max(0, radius + 0.5 - distance));
        if (ink === 0) continue;
        const start = (py * picture.width + px) * 3;
        for (const [channel, value] of colour.entries()) {
          picture.data[start + channel] = Math.round((picture.data[start + channel] ?? 0) * (1 - ink) + value * ink);
        }
      }
    }
    left += (width + gap) * unit;
  }
}

/** From a point to the nearest one on a line between two others. */
function distanceTo([x, y]: Point, [x0, y0]: Point, [x1, y1]: Point): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
