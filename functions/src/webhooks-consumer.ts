import { endMessageSchema } from '@loraloom/jobs';
import { openCloud } from './cloud.ts';
import { queueHandler } from './consume.ts';
import { pricesFrom } from './prices.ts';
import { deliver } from './webhook/deliver.ts';
import { nodePost } from './webhook/post.ts';

const cloud = openCloud(process.env);
const services = { ...cloud, post: nodePost(), prices: pricesFrom(process.env) };

/** Called with messages of the queue of webhooks. */
export const handler = queueHandler(endMessageSchema, (message) => deliver(services, message), cloud.log);
