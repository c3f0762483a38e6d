import type { Loraloom, LoraRecord } from '@loraloom/client';

/** Every LoRA of the tenant's, by name, however many pages that takes. */
export async function allLoras(api: Loraloom, signal: AbortSignal): Promise<LoraRecord[]> {
  const all: LoraRecord[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = await api.loras.list({ limit: 100, signal, ...(after === undefined ? {} : { after }) });
    all.push(...page.data);
    after = page.next;
  }
  return all;
}

/** A name that the API takes for a LoRA: lower case letters, digits and hyphens. */
export const loraName = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60);

/** "ink drawing,  sks," → two trigger words */
export const wordsOf = (text: string): string[] =>
  text
    .split(/[,，、]/)
    .map((word) => word.trim())
    .filter((word) => word !== '');
