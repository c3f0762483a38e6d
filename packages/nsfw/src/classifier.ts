import { compile, type Picture } from '@loraloom/engine';
import { buildNetwork, side } from './network.ts';
import { toPlanes } from './resize.ts';

/** What a picture may be, in the order of the network's outputs: https://github.com/infinitered/nsfwjs. */
export const classes = ['drawing', 'hentai', 'neutral', 'porn', 'sexy'] as const;

/** How probable each class is, 0 … 1; they sum to 1. */
export type Classes = Record<(typeof classes)[number], number>;

export interface Classifier {
  classify(picture: Picture): Promise<Classes>;
  close(): Promise<void>;
}

/** Opens the network that tells drawings, photographs and pornography of both kinds apart, on the CPU: it need not take turns with a GPU's work. */
export async function openClassifier(): Promise<Classifier> {
  const program = await compile({ scores: await buildNetwork() });
  return {
    async classify(picture) {
      const { scores } = await program.run({ pictures: { data: toPlanes(picture, side), dims: [1, 3, side, side] } });
      const [drawing = Number.NaN, hentai = Number.NaN, neutral = Number.NaN, porn = Number.NaN, sexy = Number.NaN] = scores;
      return { drawing, hentai, neutral, porn, sexy };
    },
    close: () => program.close(),
  };
}
