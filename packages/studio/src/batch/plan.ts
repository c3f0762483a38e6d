import type { BatchView, Loraloom, LoraRecord, Model } from '@loraloom/client';
import * as z from 'zod/mini';
import { type Draft, readDraft, requestOf } from '../create/draft.ts';
import { type Table, tableSchema } from './table.ts';

export type BatchAsked = Parameters<Loraloom['batches']['create']>[0];

/** A batch as it is about to be asked for. */
export interface Plan {
  /** One picture of it, with `{{column}}`s in its words. */
  draft: Draft;
  /** null until there is one */
  table: Table | null;
  /** The column that names the pictures; null: their rows' numbers */
  naming: string | null;
}

const keptSchema = z.object({
  draft: z.catch(z.record(z.string(), z.unknown()), {}),
  table: z.catch(z.nullable(tableSchema), null),
  naming: z.catch(z.nullable(z.string()), null),
});

/** @param kept whatever the browser kept of an earlier visit */
export function readPlan(kept: unknown): Plan {
  const { draft, table, naming } = keptSchema.safeParse(kept).data ?? keptSchema.parse({});
  return { table, naming, draft: readDraft({ count: 1, ...draft }) };
}

const idLike = /^(custom_)?id$|sku|编号|货号/i;
const nameLike = /name|title|product|名称|品名|标题/i;

/** With other products; words that were there stay, none begin with the column that seems to tell what a product is. */
export function withTable(plan: Plan, table: Table): Plan {
  const first = table.columns.find((column) => nameLike.test(column)) ?? table.columns[0];
  const prompt = plan.draft.prompt.trim() === '' ? `{{${first}}}` : plan.draft.prompt;
  return { table, naming: table.naming.find((column) => idLike.test(column)) ?? null, draft: { ...plan.draft, prompt } };
}

/** What the API is asked for. */
export function batchOf({ draft, naming }: Plan, table: Table, model: Model, loras: readonly LoraRecord[]): BatchAsked {
  const named = naming !== null && table.naming.includes(naming) ? { custom_id: `{{${naming}}}` } : {};
  return { template: { ...named, ...requestOf(draft, model, loras) }, csv_file_id: table.fileId };
}

type Going = Pick<BatchView, 'status' | 'started_at' | 'request_counts'>;

/** Rows that have ended, however. */
export const endedOf = ({ request_counts: { succeeded, failed, canceled } }: Going): number => succeeded + failed + canceled;

/** Seconds until its last row ends if they go on as they went so far; null while none has ended. */
export function secondsLeft(batch: Going, now: number): number | null {
  const ended = endedOf(batch);
  if (batch.status !== 'running' || batch.started_at === null || ended === 0) return null;
  const seconds = (now - Date.parse(batch.started_at)) / 1000;
  return (Math.max(0, seconds) / ended) * (batch.request_counts.total - ended);
}
