import type { Picture } from '@loraloom/engine';
import type { Example } from './pictures.ts';

/** The example whose picture is nearest to a given one by the mean squared difference of its pixels: what a base is taken to have painted. */
export function nearestExample({ data }: Picture, examples: readonly Example[]): Example {
  let nearest: { example: Example; distance: number } | undefined;
  for (const example of examples) {
    let distance = 0;
    for (const [i, byte] of example.render().entries()) distance += (byte - (data[i] ?? 0)) ** 2;
    if (!nearest || distance < nearest.distance) nearest = { example, distance };
  }
  if (!nearest) throw new Error('nearestExample: no examples');
  return nearest.example;
}
