import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPipeline } from '@loraloom/engine';
import { expect, it } from 'vitest';
import { backgrounds } from './backgrounds.ts';
import { baseFolder } from './index.ts';
import { nearestExample } from './nearest.ts';
import { dataset } from './pictures.ts';
import { samplePrompts, samples } from './samples.ts';
import { plainSubjects } from './subjects.ts';

it('asks for each background equally often, and for forty subjects', () => {
  const prompts = samplePrompts(40);
  for (const background of backgrounds) expect(prompts.filter(({ asked }) => asked === background).length).toBe(5);
  expect(new Set(prompts.map(({ prompt }) => prompt.split(',')[0])).size).toBe(40);
  expect(prompts[0]?.prompt).toBe('red apple, white background');
});

it('the base paints what it is asked for', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-icons-'));
  const pipeline = await openPipeline(baseFolder);
  try {
    const examples = await dataset({ folder });
    const wrong: string[] = [];
    const unlike: string[] = [];
    for await (const { prompt, subject, picture, asked, found } of samples(pipeline, { count: 16, steps: 12 })) {
      if (asked !== found) wrong.push(`${prompt}: ${found.name}`);
      const rivals = examples.filter(({ background }) => background === asked);
      expect(rivals.length).toBe(plainSubjects.length);
      const nearest = nearestExample(picture, rivals).subject;
      if (nearest !== subject) unlike.push(`${prompt}: ${nearest.caption}`);
    }
    expect(wrong).toEqual([]);
    // One in sixteen is what other processors' last bits may turn; by chance fifteen of sixteen would be unlike.
    expect(unlike.length, unlike.join('; ')).toBeLessThanOrEqual(1);
  } finally {
    await pipeline.close();
    await rm(folder, { recursive: true });
  }
});
