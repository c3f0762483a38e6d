export { buryDead } from './dead.ts';
export type { Services } from './services.ts';
export { type QueueName, work } from './work.ts';
