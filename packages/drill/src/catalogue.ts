import { encodePng } from '@loraloom/engine';
import type { ImageRequestInput, TrainingRequestInput } from '@loraloom/jobs';

/** Files that customers upload. `broken` begins and ends like a picture; whoever reads the bytes of `poison` dies of it. */
export type FileName = 'stripes' | 'dots' | 'text' | 'broken' | 'poison';

const picture = (shade: number) =>
  encodePng({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).map((_, i) => (i * shade) % 256) });

const contents: Record<FileName, () => Promise<Uint8Array>> = {
  stripes: () => picture(3),
  dots: () => picture(7),
  text: async () => new TextEncoder().encode('not a picture at all'),
  broken: async () => {
    const bytes = await picture(5);
    return bytes.fill(0, 60, bytes.length - 20);
  },
  poison: () => picture(11),
};

export async function fileContent(name: FileName): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await contents[name]());
}

/** How a job must end that nobody cancels. */
export type Ending = 'succeeded' | 'not_a_picture' | 'picture_damaged' | 'worker_failed';

interface Wanted<Request> {
  files: readonly FileName[];
  request: (ids: readonly string[]) => Request;
  ends: Ending;
}

const plain: ImageRequestInput = { model: 'tiny', prompt: 'a red fox', seed: 1, steps: 2 };

export const imageKinds = {
  plain: { files: [], request: () => plain, ends: 'succeeded' },
  several: { files: [], request: () => ({ ...plain, prompt: 'two cats', n: 2, steps: 4 }), ends: 'succeeded' },
  styled: { files: [], request: () => ({ ...plain, loras: [{ name: 'ink', weight: 0.8 }] }), ends: 'succeeded' },
  again: { files: ['dots'], request: ([image = '']) => ({ ...plain, image, image_strength: 1 }), ends: 'succeeded' },
  spoilt: { files: ['text'], request: ([image = '']) => ({ ...plain, image }), ends: 'not_a_picture' },
  poisoned: { files: ['poison'], request: ([image = '']) => ({ ...plain, image }), ends: 'worker_failed' },
} as const satisfies Record<string, Wanted<ImageRequestInput>>;

const training: Omit<TrainingRequestInput, 'name' | 'files'> = { model: 'tiny', rank: 2, steps: 5, batch_size: 1, seed: 3 };
const captioned = (ids: readonly string[]) => ids.map((file_id, i) => ({ file_id, caption: `number ${i}` }));

export const trainingKinds = {
  short: {
    files: ['stripes', 'dots'],
    request: (ids) => ({ ...training, name: 'short', files: captioned(ids) }),
    ends: 'succeeded',
  },
  long: {
    files: ['dots'],
    request: (ids) => ({ ...training, name: 'long', steps: 16, optimizer: 'lion', files: captioned(ids) }),
    ends: 'succeeded',
  },
  ruined: {
    files: ['stripes', 'broken'],
    request: (ids) => ({ ...training, name: 'ruined', files: captioned(ids) }),
    ends: 'picture_damaged',
  },
  deadly: {
    files: ['stripes', 'poison'],
    request: (ids) => ({ ...training, name: 'deadly', files: captioned(ids) }),
    ends: 'worker_failed',
  },
} as const satisfies Record<string, Wanted<TrainingRequestInput>>;

export type ImageKind = keyof typeof imageKinds;
export type TrainingKind = keyof typeof trainingKinds;
export type What = { image: ImageKind } | { training: TrainingKind };

export const wanted = (what: What): Wanted<object> => ('image' in what ? imageKinds[what.image] : trainingKinds[what.training]);
