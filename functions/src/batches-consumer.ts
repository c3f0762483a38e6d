import { batchMessageSchema } from '@loraloom/jobs';
import { openModerator, parsePolicy } from '@loraloom/moderation';
import { tick } from './batch/tick.ts';
import { cloudLimits, openCloud } from './cloud.ts';
import { queueHandler } from './consume.ts';
import { pricesFrom } from './prices.ts';

const cloud = openCloud(process.env);
const moderator = openModerator(parsePolicy(process.env.MODERATION));
const services = { ...cloud, limits: cloudLimits(process.env), moderator, prices: pricesFrom(process.env) };

/** Called with messages of the queue of batches. */
export const handler = queueHandler(batchMessageSchema, (message) => tick(services, message), cloud.log, cloud.queues.batches);
