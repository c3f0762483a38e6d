import { gatherAudit, sweepOutbox } from '@loraloom/jobs';
import { openCloud } from './cloud.ts';

const cloud = openCloud(process.env);

/** Called every few minutes: workers sweep as well, but there may be none. */
export async function handler(): Promise<void> {
  const sent = await sweepOutbox(cloud.bucket, cloud.queues);
  if (sent > 0) cloud.log({ level: 'info', message: 'sent what was left in the outbox', sent });
  await gatherAudit(cloud.bucket);
}
