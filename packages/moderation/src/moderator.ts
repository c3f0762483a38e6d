import { type Hit, openLexicon } from './lexicon.ts';
import { type Category, categories, type Policy, policySchema } from './policy.ts';
import type { Kind } from './words/index.ts';
import { age, unwantedAge, unwantedClothes } from './words/minors.ts';

/** Where a text stands in a request. */
export type Stage = 'prompt' | 'negative_prompt' | 'caption' | 'file_name';

export interface Text {
  /** The path of its field, as `files.3.caption`. */
  param: string;
  text: string;
  stage: Stage;
}

/** Why a text is refused. */
export interface Finding {
  param: string;
  stage: Stage;
  category: Category;
  /** 0 … 1, as sure as the words are. */
  score: number;
  /** The score from which on it is refused. */
  threshold: number;
}

export interface Moderator {
  /** The first unfit one of the texts that a request brings; undefined if all are fit. */
  find(texts: readonly Text[]): Finding | undefined;
}

const usualThreshold = 0.7;
const minorsThreshold = 0.6;

/** Judges texts by the words in them; the lists are read when the first text comes. */
export function openModerator(policy: Policy = policySchema.parse({})): Moderator {
  let lexicon: ((text: string) => Hit[]) | undefined;
  const thresholdOf = (category: Category) => {
    if (category === 'sexual_minors') return minorsThreshold;
    return policy.off.includes(category) ? Number.POSITIVE_INFINITY : (policy.thresholds[category] ?? usualThreshold);
  };
  return {
    find(texts) {
      lexicon ??= openLexicon(policy);
      const context: Hit[] = [];
      for (const { param, text, stage } of texts) {
        if (stage === 'negative_prompt') continue;
        const hits = [...lexicon(text), ...ageIn(text)];
        context.push(...hits);
        const scores = scoresOf(hits);
        for (const category of categories) {
          const threshold = thresholdOf(category);
          if (scores[category] >= threshold) return { param, stage, category, score: scores[category], threshold };
        }
      }
      const negative = texts.find(({ stage, text }) => stage === 'negative_prompt' && asksByLeavingOut(text, context));
      if (!negative) return undefined;
      const { param, stage } = negative;
      return { param, stage, category: 'sexual_minors', score: 0.75, threshold: minorsThreshold };
    },
  };
}

const readable = (text: string) => text.normalize('NFKC').toLowerCase();

function ageIn(text: string): Hit[] {
  return age.test(readable(text)) ? [{ word: 'age', kind: 'minors', score: 0.5, allowed: false }] : [];
}

/**
 * What stands in a negative prompt is not to be in the picture, and careful people write there just the words that are refused
 * elsewhere. It is an offence only to have a child's clothes left out, or the grown age of somebody suggestive.
 */
function asksByLeavingOut(negative: string, prompt: readonly Hit[]): boolean {
  const has = (kind: Kind) => prompt.some((hit) => hit.kind === kind);
  const text = readable(negative);
  return (has('minors') && unwantedClothes.test(text)) || (has('sexual') && unwantedAge.test(text));
}

/** How sure one is, whose reasons are right with these probabilities, each by itself. */
const either = (probabilities: Iterable<number>): number => {
  const none = [...probabilities].reduce((product, probability) => product * (1 - probability), 1);
  return Math.round((1 - none) * 100) / 100;
};

function scoresOf(hits: readonly Hit[]): Record<Category, number> {
  const words = (kind: Kind, counts: (hit: Hit) => boolean) =>
    new Map(hits.filter((hit) => hit.kind === kind && counts(hit)).map(({ word, score }) => [word, score])).values();
  const of = (kind: Kind) => [...words(kind, ({ allowed }) => !allowed)];
  const [sexual, minors] = [words('sexual', () => true), words('minors', () => true)].map((scores) => Math.max(0, ...scores));
  // A child in a sexual picture: whatever the deployment allows otherwise.
  const both = sexual && minors ? either([sexual, minors]) : 0;
  const suggested = of('sexual');
  const someone = Math.max(0, ...suggested) >= 0.5 ? of('people').slice(0, 1) : [];
  return {
    sexual_minors: Math.max(both, either(words('abuse', () => true))),
    self_harm: either(of('self_harm')),
    hate: either(of('hate')),
    sexual: either([...suggested, ...someone]),
    violence: either(of('violence')),
    custom: either(of('custom')),
  };
}
