export { buryDead } from './dead.ts';
export type { QueueName, Services } from './services.ts';
export { work } from './work.ts';
