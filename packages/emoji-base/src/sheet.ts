import { encodePng, type Picture } from '@loraloom/engine';
import { textWidth, wrap, writeText } from './lettering.ts';

/** A table of pictures with labels above its columns, left of its rows and below its pictures, each as wanted. */
export interface Sheet {
  title?: string;
  columns?: readonly string[];
  rows: readonly { label?: string; cells: readonly { picture: Picture; label?: string }[] }[];
}

/** Gray enough that white pictures stand out. */
const paper = 236;
const margin = 10;
/** Of capitals, in pixels. */
const [titleHeight, labelHeight] = [14, 9];
const lineHeight = labelHeight * 1.8;

/** Draws a sheet as one picture. Cells are as large as the largest picture; smaller ones stand in the middle. */
export function drawSheet({ title, columns = [], rows }: Sheet): Picture {
  const cells = rows.flatMap((row) => row.cells);
  const side = {
    width: Math.max(1, ...cells.map(({ picture }) => picture.width)),
    height: Math.max(1, ...cells.map(({ picture }) => picture.height)),
  };
  const lines = (text = '') => (text === '' ? [] : wrap(text, labelHeight, side.width));
  const most = (texts: readonly (string | undefined)[]) => Math.max(0, ...texts.map((text) => lines(text).length)) * lineHeight;
  const [above, below] = [most(columns), most(cells.map(({ label }) => label))];
  const beside = rows.some(({ label }) => label)
    ? Math.max(...rows.flatMap(({ label }) => lines(label)).map((line) => textWidth(line, labelHeight))) + margin
    : 0;
  const step = { x: side.width + margin, y: side.height + below + margin };
  const top = margin + (title ? titleHeight * 2 : 0) + (above ? above + margin / 2 : 0);
  const across = Math.max(columns.length, ...rows.map((row) => row.cells.length));
  const sheet: Picture = blank(
    Math.ceil(Math.max(margin + beside + across * step.x, title ? textWidth(title, titleHeight) + 2 * margin : 0)),
    Math.ceil(top + rows.length * step.y),
  );
  const write = (text: string | undefined, x: number, y: number) => {
    for (const [i, line] of lines(text).entries()) writeText(sheet, line, { x, y: y + i * lineHeight, height: labelHeight });
  };

  if (title) writeText(sheet, title, { x: margin, y: margin, height: titleHeight });
  for (const [i, label] of columns.entries()) write(label, margin + beside + i * step.x, top - above - margin / 2);
  for (const [r, row] of rows.entries()) {
    const y = Math.round(top + r * step.y);
    write(row.label, margin, y + (side.height - lines(row.label).length * lineHeight) / 2);
    for (const [c, { picture, label }] of row.cells.entries()) {
      const x = Math.round(margin + beside + c * step.x);
      paste(sheet, picture, x + Math.floor((side.width - picture.width) / 2), y + Math.floor((side.height - picture.height) / 2));
      write(label, x, y + side.height + labelHeight * 0.6);
    }
  }
  return sheet;
}

/** Pictures with a label below each, `across` in a row, as a PNG. */
export function contactSheet(
  cells: readonly { picture: Picture; label?: string }[],
  { across = 10, title }: { across?: number; title?: string } = {},
): Promise<Uint8Array> {
  const rows = Array.from({ length: Math.ceil(cells.length / across) }, (_, i) => ({
    cells: cells.slice(i * across, (i + 1) * across),
  }));
  return encodePng(drawSheet({ ...(title === undefined ? {} : { title }), rows }));
}

const blank = (width: number, height: number): Picture => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(paper),
});

function paste(sheet: Picture, picture: Picture, x: number, y: number): void {
  for (let row = 0; row < picture.height; row++) {
    const from = row * picture.width * 3;
    sheet.data.set(picture.data.subarray(from, from + picture.width * 3), ((y + row) * sheet.width + x) * 3);
  }
}
