import { setTimeout as sleep } from 'node:timers/promises';
import { type ImageView, type Loraloom, LoraloomError, type TrainingRecord } from '@loraloom/client';
import { type FileName, fileContent, imageKinds, trainingKinds, wanted } from './catalogue.ts';
import type { Ask } from './plan.ts';

/** What became of asking: the job's id if the API accepted it, and whether it was asked to cancel it. */
export interface Asked {
  ask: Ask;
  id: string | undefined;
  canceled: boolean;
}

/** Takes far longer than anything goes wrong for; who has no answer then never gets one. */
export const mostAttempts = 200;

/**
 * A customer: uploads, asks, perhaps changes their mind, and asks again when there is no answer.
 * @param key the customer's own name for the job
 * @param hookUrl where to tell of the end, if the customer wants to hear of it
 * @param poisonous told the ids of files that must kill
 * @throws LoraloomError for an answer that says that something is wrong with the request
 */
export async function beCustomer(
  api: Loraloom,
  ask: Ask,
  key: string,
  hookUrl: string,
  poisonous: (id: string) => void,
): Promise<Asked> {
  const asked: Asked = { ask, id: undefined, canceled: false };
  const attempts = ask.once ? 1 : mostAttempts;
  try {
    const files: string[] = [];
    for (const name of wanted(ask.what).files) files.push(await insist(() => upload(api, name, poisonous), attempts));
    const { what } = ask;
    const options = { idempotencyKey: key };
    const hook = ask.hook ? { webhook_url: hookUrl } : {};
    const job = await insist<ImageView | TrainingRecord>(
      () =>
        'image' in what
          ? api.images.create({ ...imageKinds[what.image].request(files), ...hook }, options)
          : api.trainings.create({ ...trainingKinds[what.training].request(files), ...hook }, options),
      attempts,
    );
    asked.id = job.id;
    if (ask.cancelAfterSeconds === undefined) return asked;
    await sleep(1000 * ask.cancelAfterSeconds);
    asked.canceled = true;
    await insist<ImageView | TrainingRecord>(
      () => (job.object === 'image' ? api.images.cancel(job.id) : api.trainings.cancel(job.id)),
      attempts,
    );
    return asked;
  } catch (error) {
    if (error instanceof LoraloomError && (temporary(error) || error.code === 'already_finished')) return asked;
    throw error;
  }
}

const temporary = ({ status }: LoraloomError) => status === 0 || status === 429 || status >= 500;

async function upload(api: Loraloom, name: FileName, poisonous: (id: string) => void): Promise<string> {
  const file = await api.files.upload(await fileContent(name), { name: `${name}.png`, contentType: 'image/png' });
  if (name === 'poison') poisonous(file.id);
  return file.id;
}

/** Tries until there is an answer, or so many times. */
export async function insist<T>(work: () => Promise<T>, attempts: number): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= attempts || !(error instanceof LoraloomError && temporary(error))) throw error;
      await sleep(2000);
    }
  }
}
