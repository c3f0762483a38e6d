/**
 * What a picture looks like, in 64 bits that differ little between pictures of the same: whether each of 8 × 8 parts is brighter than
 * its neighbour to the right (dHash: Krawetz, "Kind of like that", 2013).
 * @param data sRGB, `[height, width, 3]`
 */
export function lookOf({ width, height, data }: { width: number; height: number; data: Uint8Array }): bigint {
  const [columns, rows] = [9, 8];
  const sums = new Float64Array(columns * rows);
  const counts = new Float64Array(columns * rows);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++) {
      const part = row + Math.floor((x * columns) / width);
      const at = 3 * (y * width + x);
      // Rec. 601 luma.
      sums[part] = (sums[part] ?? 0) + 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
      counts[part] = (counts[part] ?? 0) + 1;
    }
  }
  const brightness = sums.map((sum, part) => Math.round(sum / Math.max(1, counts[part] ?? 0)));
  let look = 0n;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns - 1; column++) {
      const part = row * columns + column;
      look = (look << 1n) | ((brightness[part] ?? 0) > (brightness[part + 1] ?? 0) ? 1n : 0n);
    }
  }
  return look;
}
