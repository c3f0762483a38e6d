import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import { decodePicture, InputError, type Tokenizer } from '@loraloom/engine';
import {
  type Estimate,
  estimateTraining,
  type Finding,
  headBytes,
  lookOf,
  type PictureFacts,
  preflight,
  readPictureHeader,
  tailBytes,
} from '@loraloom/jobs';
import { parametersOf } from './base.ts';
import type { CaptionedFile } from './pictures.ts';
import type { LocalTraining } from './training.ts';

/** Looks over a training's pictures, every pixel of them, and its length; and how much memory and time it takes. */
export async function check({ request, pipeline }: LocalTraining): Promise<{ findings: Finding[]; estimate: Estimate }> {
  const [tokenizer] = pipeline.tokenizers;
  const pictures: PictureFacts[] = [];
  for (const file of request.files) pictures.push(await factsOf(file, tokenizer));
  const findings = preflight({ request, pictures });
  if (request.resolution % pipeline.multiple !== 0) {
    const message = `resolution ${request.resolution} does not fit the base`;
    const what_to_do = `a multiple of ${pipeline.multiple}`;
    findings.unshift({ code: 'resolution_unfit', severity: 'error', file: null, message, what_to_do });
  }
  const size = { parameters: await parametersOf(pipeline), latentFactor: pipeline.latentFactor };
  return { findings, estimate: estimateTraining(request, size) };
}

async function factsOf(
  { path, name, caption, repeats, strayCaption }: CaptionedFile,
  tokenizer: Tokenizer,
): Promise<PictureFacts> {
  const bytes = new Uint8Array(await readFile(path));
  const header = readPictureHeader(
    bytes.subarray(0, headBytes),
    bytes.subarray(Math.max(0, bytes.length - tailBytes)),
    bytes.length,
  );
  return {
    name,
    caption,
    repeats,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    tokens: tokensOf(caption, tokenizer),
    ...(header === undefined ? {} : { header }),
    ...(strayCaption === undefined ? {} : { strayCaption }),
    ...(await decodePicture(bytes).then(
      (picture) => ({ look: lookOf(picture) }),
      (error) => {
        if (error instanceof InputError) return { damage: error.message };
        throw error;
      },
    )),
  };
}

/** CLIP's tokens do not reach over spaces, and no word alone is cut off. */
const tokensOf = (caption: string, tokenizer: Tokenizer) =>
  (caption.match(/\S+/g) ?? []).reduce((sum, word) => sum + tokenizer.encode(word).indexOf(tokenizer.end) - 1, 0);

/** Findings as lines for a terminal. */
export function describe(findings: readonly Finding[]): string {
  const colours = { error: 'red', warning: 'yellow' } as const;
  return findings
    .map(({ severity, code, file, message, what_to_do }) => {
      const head = `${styleText(colours[severity], severity.padEnd(7))} ${file ? `${file.name}: ` : ''}${message}`;
      return `${head}\n        ${what_to_do} ${styleText('dim', `(${code})`)}`;
    })
    .join('\n');
}
