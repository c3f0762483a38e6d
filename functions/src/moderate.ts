import { type Finding, openModerator, type Text } from '@loraloom/moderation';
import { ApiError } from './error.ts';
import type { Services } from './services.ts';

const usual = openModerator();

/** What a request for pictures says. `path` is put before the fields' names, as `requests.3.`. */
export function imageTexts({ prompt, negative_prompt }: { prompt: string; negative_prompt: string }, path = ''): Text[] {
  return [
    { param: `${path}prompt`, text: prompt, stage: 'prompt' },
    { param: `${path}negative_prompt`, text: negative_prompt, stage: 'negative_prompt' },
  ];
}

/** What a request for a training says. */
export function trainingTexts(request: {
  name: string;
  files: readonly { caption: string }[];
  trigger_word?: string | undefined;
  sample_prompts?: readonly string[] | undefined;
}): Text[] {
  const { name, files, trigger_word, sample_prompts = [] } = request;
  const triggers = trigger_word === undefined ? [] : [trigger_word];
  return [
    nameText('name', name),
    ...triggers.map((text) => ({ param: 'trigger_word', text, stage: 'caption' as const })),
    // As the training reads them: the trigger word before every caption.
    ...files.map(({ caption }, i) => ({
      param: `files.${i}.caption`,
      text: [...triggers, caption].join(', '),
      stage: 'caption' as const,
    })),
    ...sample_prompts.map((text, i) => ({ param: `sample_prompts.${i}`, text, stage: 'prompt' as const })),
  ];
}

/** The name of a file or of a LoRA. */
export const nameText = (param: string, text: string): Text => ({ param, text, stage: 'file_name' });

/** What is said of a LoRA that is imported or described. */
export function loraTexts({ name, trigger_words = [] }: { name?: string; trigger_words?: string[] | undefined }): Text[] {
  return [
    ...(name === undefined ? [] : [nameText('name', name)]),
    ...trigger_words.map((text, i) => ({ param: `trigger_words.${i}`, text, stage: 'caption' as const })),
  ];
}

/** The first of one request's texts that is unfit, if any is: for whoever answers many requests at once. */
export const findUnfit = ({ moderator = usual }: Pick<Services, 'moderator'>, texts: readonly Text[]): Finding | undefined =>
  moderator.find(texts);

/**
 * Refuses a request whose texts are unfit, before anything of it is kept or charged.
 * @throws ApiError 422 `content_refused`, which names the field and the category but not the word
 */
export function refuseUnfit(services: Pick<Services, 'moderator' | 'log'>, texts: readonly Text[]): void {
  const found = findUnfit(services, texts);
  if (!found) return;
  const { param, ...refusal } = found;
  services.log({ level: 'info', message: 'content refused', param, ...refusal });
  throw new ApiError(422, 'content_refused', refusalMessage(found), param, { refusal });
}

export function refusalMessage({ param, category }: Finding): string {
  const help = category === 'self_harm' ? '. If this is about you: https://findahelpline.com lists people to talk to' : '';
  return `${param}: refused as ${category}; want a text without it${help}`;
}
