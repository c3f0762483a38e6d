import { type Finding, summarize } from './finding.ts';
import type { PictureHeader } from './picture-header.ts';
import { batchesPerEpoch, heldOut, meanRepeats } from './settle-training.ts';
import type { TrainingRequest } from './training-request.ts';

/** What is known of one picture. What is not known is left out, and nothing is concluded from it. */
export interface PictureFacts {
  name: string;
  caption: string;
  /** How often an epoch shows it, if not once. */
  repeats?: number | undefined;
  sha256?: string;
  /** Null: its first bytes are not those of a picture that can be read. */
  header?: PictureHeader | null;
  /** What a decoder says of a picture that it cannot decode. */
  damage?: string;
  /** What it looks like in 64 bits: a dHash (Krawetz, 2013). */
  look?: bigint;
  /** Tokens of its caption; where nobody has counted, a lower bound is used. */
  tokens?: number;
  /** A file beside it that would be its caption, had it another ending. */
  strayCaption?: string;
}

/** A training as far as it is known before it begins. */
export interface TrainingFacts {
  request: Pick<
    TrainingRequest,
    'resolution' | 'enable_bucket' | 'trigger_word' | 'steps' | 'batch_size' | 'gradient_accumulation_steps' | 'validation_split'
  > & { prior_files: readonly unknown[] };
  pictures: readonly PictureFacts[];
}

/** As the engine has them: pixels of the largest picture, and of the shortest side. */
const mostPixels = 4096 ** 2;
const fewestPixels = 16;
/** Bits in which the looks of two pictures of the same may differ; docs/training.md has the measurement. */
const nearBits = 5;
/** Long side to short side: a third of it is cut off to make a square. */
const longest = 1.5;
/** What CLIP reads of a caption, without the tokens for start and end. */
const mostTokens = 75;
/** How often a picture is shown in trainings that went well: rules of thumb, wide. */
const shows = { least: 10, most: 1000 };

type Judged = [message: string, whatToDo: string] | false | null | undefined;
type Facts = PictureFacts & TrainingFacts['request'];

/** What makes a picture useless. Of these, the first that holds is told. */
const faults: Record<string, (picture: Facts) => Judged> = {
  not_a_picture: ({ header }) =>
    header === null && ['not a picture that can be read', 'save it as JPEG, PNG or WebP, or leave it out'],
  picture_too_large: ({ header }) =>
    header && header.width * header.height > mostPixels && [sizeOf(header), 'scale it down to at most 4096 × 4096 pixels'],
  picture_damaged: ({ header, damage }) =>
    (header?.complete === false || damage !== undefined) && [
      damage ?? 'it is cut off: its end is missing',
      'copy or save it anew, or leave it out',
    ],
  picture_too_small: ({ header, resolution }) =>
    header &&
    shortSide(header) < Math.max(fewestPixels, resolution / 2) && [
      `${sizeOf(header)}: less than half of the resolution ${resolution}`,
      'use a larger picture or a lower resolution, or leave it out',
    ],
};

/** What is worth knowing about a picture that can be used. */
const doubts: Record<string, (picture: Facts) => Judged> = {
  picture_small: ({ header, resolution }) =>
    header &&
    shortSide(header) < resolution && [
      `${sizeOf(header)}: less than the resolution ${resolution}, so that blur is learnt`,
      'use a larger picture or a lower resolution',
    ],
  picture_cropped: ({ header, enable_bucket }) => {
    const ratio = header && !enable_bucket ? Math.max(header.width, header.height) / shortSide(header) : 1;
    const cut = `${Math.round(100 - 100 / ratio)} % of it are cut off to make a square`;
    return ratio > longest && [cut, 'set enable_bucket, or cut it yourself'];
  },
  caption_too_long: ({ caption, tokens, trigger_word = '' }) => {
    const count = (tokens ?? atLeast(caption)) + (trigger_word ? atLeast(trigger_word) + 1 : 0);
    return (
      count > mostTokens && [
        `a caption of ${tokens === undefined ? 'at least ' : ''}${count} tokens: what is behind ${mostTokens} is not read`,
        'shorten it',
      ]
    );
  },
  trigger_word_twice: ({ caption, trigger_word }) =>
    trigger_word !== undefined &&
    tagsOf(caption).includes(trigger_word.trim().toLowerCase()) && [
      `the caption has the trigger word ${trigger_word} already, which is put before it`,
      'take it out of the captions',
    ],
};

/** What a training's pictures, captions and length make one expect of it, the worst first. */
export function preflight({ request, pictures }: TrainingFacts): Finding[] {
  const findings: Finding[] = [];
  const add = (code: string, severity: Finding['severity'], judged: Judged, index?: number) => {
    if (!judged) return;
    const [message, what_to_do] = judged;
    const file = index === undefined ? null : { index, name: pictures[index]?.name ?? '' };
    findings.push({ code, severity, file, message, what_to_do });
  };
  for (const [index, picture] of pictures.entries()) {
    const facts = { ...picture, ...request };
    const fault = Object.entries(faults).find(([, judge]) => judge(facts));
    if (fault) add(fault[0], 'error', fault[1](facts), index);
    else for (const [code, judge] of Object.entries(doubts)) add(code, 'warning', judge(facts), index);
  }
  for (const { index, first, same } of twins(pictures)) {
    const [code, words] = same ? ['duplicate_picture', 'the same picture as'] : ['near_duplicate_picture', 'looks like'];
    add(code, 'warning', [`${words} ${pictures[first]?.name}, so that it counts twice`, 'leave one of them out'], index);
  }
  for (const [code, severity, judged, index] of captionFindings(request, pictures)) add(code, severity, judged, index);
  const counted = { ...request, files: pictures };
  const trained = pictures.length - heldOut(counted);
  const shown = (request.steps * request.gradient_accumulation_steps * meanRepeats(counted)) / batchesPerEpoch(counted);
  const length = `${request.steps} steps show each of ${trained} pictures ${Number(shown.toPrecision(2))} times`;
  add('few_steps', 'warning', shown < shows.least && [`${length}: little will be learnt`, 'train for more steps or epochs']);
  add(
    'many_steps',
    'warning',
    shown > shows.most && [
      `${length}: they may be learnt by heart`,
      'train for fewer steps or epochs, use more pictures, or set validation_split to see which checkpoint is best',
    ],
  );
  return summarize(findings);
}

type Found = [code: string, severity: Finding['severity'], judged: Judged, index?: number];

function captionFindings({ trigger_word }: TrainingFacts['request'], pictures: readonly PictureFacts[]): Found[] {
  const silent = [...pictures.keys()].filter((i) => pictures[i]?.caption.trim() === '');
  const found: Found[] = silent.flatMap((i): Found[] => {
    const stray = pictures[i]?.strayCaption;
    if (stray !== undefined)
      return [
        [
          'caption_extension',
          'error',
          [`no caption, but there is ${stray}`, `set caption_extension: ${stray.replace(/^.*\./, '.')}, or rename it`],
          i,
        ],
      ];
    // With a trigger word the picture is not silent: that is its caption.
    return trigger_word === undefined && silent.length < pictures.length
      ? [['caption_missing', 'warning', ['no caption', 'say what it shows'], i]]
      : [];
  });
  if (trigger_word !== undefined || found.some(([, severity]) => severity === 'error')) return found;
  if (silent.length === pictures.length)
    return [['captions_missing', 'error', ['no picture has a caption', 'say what each picture shows, or set a trigger_word']]];
  const told = pictures.map(({ caption }) => wordsOf(caption)).filter(({ size }) => size > 0);
  const shared = [...(told[0] ?? [])].some((word) => told.every((words) => words.has(word)));
  if (!shared && told.length > 1) {
    const message = 'no word is in all captions, so that there is none to call the LoRA by: it will show in every picture';
    found.push([
      'trigger_word_absent',
      'warning',
      [message, 'set a trigger_word, unless this is a style that should always show'],
    ]);
  }
  return found;
}

/** Pictures that come again: each with the first one that is the same, or looks as it does. */
function* twins(pictures: readonly PictureFacts[]): Generator<{ index: number; first: number; same: boolean }> {
  const firsts = new Map<string, number>();
  const looks: { look: bigint; at: number }[] = [];
  for (const [index, { sha256, look }] of pictures.entries()) {
    const same = sha256 === undefined ? undefined : firsts.get(sha256);
    if (same !== undefined) {
      yield { index, first: same, same: true };
      continue;
    }
    if (sha256 !== undefined) firsts.set(sha256, index);
    if (look === undefined) continue;
    const near = looks.find((other) => bitsOf(look ^ other.look) <= nearBits);
    if (near) yield { index, first: near.at, same: false };
    else looks.push({ look, at: index });
  }
}

function bitsOf(difference: bigint): number {
  let count = 0;
  for (let rest = difference; rest > 0n; rest &= rest - 1n) count++;
  return count;
}

const sizeOf = ({ width, height }: PictureHeader) => `${width} × ${height} pixels`;
const shortSide = ({ width, height }: PictureHeader) => Math.min(width, height);
const tagsOf = (caption: string) => caption.split(',').map((tag) => tag.trim().toLowerCase());
const wordsOf = (caption: string) => new Set(caption.toLowerCase().match(/[\p{L}\p{N}_]+/gu));
/** CLIP's tokenizer cuts at these before it looks for pairs, so that a text has at least as many tokens. */
const atLeast = (text: string) => text.match(/\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu)?.length ?? 0;
