import type { Picture } from '@loraloom/engine';
import { type Background, backgrounds } from './backgrounds.ts';

type Colour = readonly [red: number, green: number, blue: number];

/**
 * The background that a picture shows: the median of the pixels along its border, and the named background nearest to it
 * in OKLab, whose distances are as the eye sees them (bottosson.github.io/posts/oklab).
 */
export function backgroundOf(picture: Picture): { colour: Colour; background: Background; distance: number } {
  const colour = borderColour(picture);
  const [nearest] = backgrounds
    .map((background) => ({ colour, background, distance: difference(colour, background.colour) }))
    .toSorted((a, b) => a.distance - b.distance);
  if (!nearest) throw new Error('no background to choose from');
  return nearest;
}

/** Median of each channel over a frame three pixels wide: a subject that touches the border here or there does not matter. */
function borderColour({ width, height, data }: Picture): Colour {
  const frame = 3;
  const median = (channel: number) => {
    const values: number[] = [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const inside = x >= frame && y >= frame && x < width - frame && y < height - frame;
        if (!inside) values.push(data[(y * width + x) * 3 + channel] ?? 0);
      }
    }
    return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  };
  return [median(0), median(1), median(2)];
}

/** Distance of two sRGB colours in OKLab; black and white are 1 apart. */
export function difference(a: Colour, b: Colour): number {
  const [p, q] = [oklab(a), oklab(b)];
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

function oklab(colour: Colour): readonly [lightness: number, a: number, b: number] {
  const linear = (byte: number) => (byte <= 10.31475 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = [linear(colour[0]), linear(colour[1]), linear(colour[2])];
  const l = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
  const m = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
  const s = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}
