import type { ImageView, LoraRecord } from '@loraloom/client';
import { expect, it } from 'vitest';
import { draftOf, missingTriggers, moreLike, readDraft, sidesOf, withoutStyles } from './draft.ts';

const first = readDraft(undefined);

it('keeps of an old draft what still fits', () => {
  const kept = { prompt: 'cat', count: 99, styles: 'none', shape: 'wide', seed: 7, unknown: 1 };
  expect(readDraft(kept)).toEqual({ ...first, prompt: 'cat', shape: 'wide', seed: 7 });
  expect([null, 'x', [1]].map(readDraft)).toEqual([first, first, first]);
});

it.each([
  [128, [128, 128], [96, 128], [160, 96]],
  [512, [512, 512], [384, 512], [640, 384]],
  [768, [768, 768], [576, 768], [960, 576]],
  [1024, [1024, 1024], [768, 1024], [1024, 640]],
])('at %s pixels has sides that the API takes', (resolution, square, portrait, wide) => {
  const at = (shape: Parameters<typeof sidesOf>[0]) => sidesOf(shape, { resolution });
  expect([at('square'), at('portrait'), at('wide')]).toEqual([square, portrait, wide]);
  expect(at('landscape')).toEqual(portrait.toReversed());
  expect(at('tall')).toEqual(wide.toReversed());
});

const lora = (name: string, trigger_words: string[]): LoraRecord => ({
  name,
  object: 'lora',
  lora_id: 'lora_1',
  model: 'emoji',
  rank: 8,
  alpha: 8,
  trigger_words,
  license: null,
  training_id: null,
  size_bytes: 1,
  sha256: '',
  diffusers: null,
  created_at: '2026-11-25T00:00:00.000Z',
  cover: null,
  cover_url: null,
  shared_with: [],
});

it('adds the trigger words that a prompt lacks, each once', () => {
  const loras = [lora('ink', ['ink drawing', 'sks']), lora('wash', ['sks'])];
  const styles = [
    { name: 'ink', weight: 1 },
    { name: 'wash', weight: 1 },
    { name: 'friend/other', weight: 1 },
  ];
  expect(missingTriggers('a cat, Ink Drawing', styles, loras)).toEqual(['sks']);
});

const request: ImageView['request'] = {
  model: 'emoji',
  prompt: 'cat',
  negative_prompt: 'dog',
  n: 3,
  width: 96,
  height: 160,
  steps: 20,
  guidance_scale: 2,
  sampler: 'ddim',
  seed: 5,
  loras: [{ name: 'ink@latest', lora_id: 'lora_7', sha256: 'ab', weight: 0.5, text_weight: 0.2 }],
};
const job = { request };

it('makes more of the very version that was used, of other seeds', () => {
  const { seed: _, ...rest } = request;
  expect(moreLike(job)).toEqual({ ...rest, loras: [{ name: 'ink@lora_7', weight: 0.5, text_weight: 0.2 }] });
});

it('makes one picture of a request again, without its styles', () =>
  expect(withoutStyles(job, 7)).toEqual({ ...request, seed: 7, n: 1, loras: [] }));

it('takes the settings of what was made', () =>
  expect(draftOf(job, first)).toEqual({
    model: 'emoji',
    prompt: 'cat',
    negative: 'dog',
    styles: [{ name: 'ink@latest', weight: 0.5 }],
    shape: 'tall',
    count: 3,
    steps: 20,
    guidance: 2,
    seed: null,
    start: null,
  }));
