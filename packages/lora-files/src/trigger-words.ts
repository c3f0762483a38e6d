import { z } from 'zod';

/** Tags by folder of training pictures, as sd-scripts counts them (`ss_tag_frequency`). */
const Frequencies = z.record(z.string(), z.record(z.string(), z.number()));

const mostWords = 10;
const longestWord = 100;

/**
 * The words that a LoRA answers to, as far as its metadata tells: ModelSpec's trigger phrase, else the tags that (nearly)
 * every caption had. Captions in whole sentences have no such tags.
 */
export function triggerWords(metadata: Readonly<Record<string, string>>): string[] {
  const { 'modelspec.trigger_phrase': phrase = '', ss_tag_frequency: frequencies } = metadata;
  const words = phrase.trim() === '' ? frequentTags(frequencies) : phrase.split(',');
  const named = words.map((word) => word.trim()).filter((word) => word !== '' && word.length <= longestWord);
  return [...new Set(named)].slice(0, mostWords);
}

function frequentTags(text = '{}'): string[] {
  const counts = new Map<string, number>();
  for (const tags of Object.values(parse(text)))
    for (const [tag, count] of Object.entries(tags)) counts.set(tag.trim(), (counts.get(tag.trim()) ?? 0) + count);
  const most = Math.max(...counts.values());
  return [...counts]
    .filter(([, count]) => count > 1 && count >= 0.9 * most)
    .sort(([, a], [, b]) => b - a)
    .map(([tag]) => tag);
}

function parse(text: string): z.infer<typeof Frequencies> {
  try {
    return Frequencies.parse(JSON.parse(text));
  } catch {
    // Anybody may have written anything there.
    return {};
  }
}
