import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBatch, openPipeline, type Picture, type Pipeline, resultOf } from '@loraloom/engine';
import { type Background, backgrounds } from './backgrounds.ts';
import { backgroundOf } from './colour.ts';
import { baseFolder } from './index.ts';
import { nearestExample } from './nearest.ts';
import { captionOf, dataset } from './pictures.ts';
import { contactSheet } from './sheet.ts';
import { plainSubjects, type Subject } from './subjects.ts';

/*
 * Looks at a base: `node packages/emoji-base/src/samples.ts --model .train/model --out samples.png`
 * paints prompts, writes a contact sheet, and counts the backgrounds and the subjects that came out as asked for.
 */

export interface Sample {
  prompt: string;
  subject: Subject;
  picture: Picture;
  /** As asked for, and as measured. */
  asked: Background;
  found: Background;
}

/** Subjects spread over the whole list, the backgrounds taken in turn. */
export function samplePrompts(count: number): { prompt: string; subject: Subject; asked: Background }[] {
  return Array.from({ length: count }, (_, i) => {
    const subject = plainSubjects[Math.floor((i * plainSubjects.length) / count)];
    const asked = backgrounds[i % backgrounds.length];
    if (!subject || !asked) throw new Error('samplePrompts: no subjects');
    return { prompt: captionOf(subject, asked), subject, asked };
  });
}

/** Paints prompts eight at a time, the seed being the prompt's number. */
export async function* samples(
  pipeline: Pipeline,
  { count = 40, steps = 20, guidanceScale = 2 }: { count?: number; steps?: number; guidanceScale?: number } = {},
): AsyncGenerator<Sample> {
  const batch = openBatch(pipeline, 8);
  const { resolution } = pipeline;
  const common = { negativePrompt: '', loras: [], width: resolution, height: resolution, sampler: 'ddim' } as const;
  const pictures = samplePrompts(count).map((wanted, seed) => ({
    ...wanted,
    painting: resultOf(batch.generate({ ...common, prompt: wanted.prompt, seed, steps, guidanceScale })),
  }));
  for (const { painting, ...wanted } of pictures) {
    const picture = await painting;
    yield { ...wanted, picture, found: backgroundOf(picture).background };
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: baseFolder },
      out: { type: 'string', default: 'samples.png' },
      count: { type: 'string', default: '40' },
      steps: { type: 'string', default: '20' },
      guidance: { type: 'string', default: '2' },
    },
  });
  const pipeline = await openPipeline(values.model);
  const examples = await dataset({ folder: join(tmpdir(), 'loraloom-icons') });
  let recognized = 0;
  const painted: Sample[] = [];
  const options = { count: Number(values.count), steps: Number(values.steps), guidanceScale: Number(values.guidance) };
  for await (const sample of samples(pipeline, options)) {
    painted.push(sample);
    if (sample.found !== sample.asked) console.log(`${sample.prompt}: came out ${sample.found.name}`);
    const rivals = examples.filter(({ background }) => background === sample.asked);
    const nearest = nearestExample(sample.picture, rivals).subject;
    if (nearest === sample.subject) recognized++;
    else console.log(`${sample.prompt}: nearer to ${nearest.caption}`);
  }
  await writeFile(values.out, await contactSheet(painted.map(({ picture, prompt }) => ({ picture, label: prompt }))));
  const right = painted.filter(({ asked, found }) => asked === found).length;
  console.log(`Of ${painted.length}: ${right} backgrounds as asked for, ${recognized} nearest to their subject; ${values.out}`);
  await pipeline.close();
}
