export interface Background {
  name: string;
  /** sRGB bytes */
  colour: readonly [number, number, number];
}

/**
 * Background colours by the names that captions give them; far enough apart to be told from a few pixels. Yellow is paler and
 * red deeper than the icons' own, so that a star stays visible on yellow.
 */
export const backgrounds: readonly Background[] = [
  { name: 'white', colour: [250, 250, 250] },
  { name: 'yellow', colour: [255, 241, 150] },
  { name: 'green', colour: [112, 193, 100] },
  { name: 'blue', colour: [84, 148, 240] },
  { name: 'purple', colour: [150, 104, 214] },
  { name: 'pink', colour: [255, 160, 200] },
  { name: 'red', colour: [186, 34, 48] },
  { name: 'gray', colour: [128, 128, 132] },
];
