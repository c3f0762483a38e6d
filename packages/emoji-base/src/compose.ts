export interface Placement {
  flip: boolean;
  /** Pixels by which the subject is moved. */
  right: number;
  down: number;
  /** Size of the subject relative to the frame. */
  scale: number;
}

/** The square part of the frame that is wanted, in pixels. */
export interface Window {
  left: number;
  top: number;
  side: number;
}

/**
 * An RGBA icon over a plain colour, as planes of red, green and blue in −1 … 1, `[3, size, size]`, or the part of them in `window`.
 * Sampled by area-free bilinear interpolation, which at scales above 0.6 shows no aliasing to the eye.
 */
export function compose(
  icon: Uint8Array,
  size: number,
  colour: readonly [number, number, number],
  { flip, right, down, scale }: Placement,
  window: Window = { left: 0, top: 0, side: size },
): Float32Array {
  const plane = window.side * window.side;
  const picture = new Float32Array(3 * plane);
  const at = (x: number, y: number, channel: number) =>
    x < 0 || y < 0 || x >= size || y >= size ? 0 : (icon[(y * size + x) * 4 + channel] ?? 0);
  for (let y = window.top; y < window.top + window.side; y++) {
    for (let x = window.left; x < window.left + window.side; x++) {
      const u = (x - right + 0.5 - size / 2) / scale + size / 2 - 0.5;
      const v = (y - down + 0.5 - size / 2) / scale + size / 2 - 0.5;
      const sourceX = flip ? size - 1 - u : u;
      const [left, top] = [Math.floor(sourceX), Math.floor(v)];
      const [fx, fy] = [sourceX - left, v - top];
      let alpha = 0;
      let [red, green, blue] = [0, 0, 0];
      for (const [dx, dy, part] of [
        [0, 0, (1 - fx) * (1 - fy)],
        [1, 0, fx * (1 - fy)],
        [0, 1, (1 - fx) * fy],
        [1, 1, fx * fy],
      ] as const) {
        const a = (at(left + dx, top + dy, 3) / 255) * part;
        alpha += a;
        red += a * at(left + dx, top + dy, 0);
        green += a * at(left + dx, top + dy, 1);
        blue += a * at(left + dx, top + dy, 2);
      }
      const i = (y - window.top) * window.side + x - window.left;
      picture[i] = (red + (1 - alpha) * colour[0]) / 127.5 - 1;
      picture[plane + i] = (green + (1 - alpha) * colour[1]) / 127.5 - 1;
      picture[2 * plane + i] = (blue + (1 - alpha) * colour[2]) / 127.5 - 1;
    }
  }
  return picture;
}
