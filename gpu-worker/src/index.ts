export { buryDead } from './dead.ts';
export type { Services } from './services.ts';
export { consume, type Handler, type QueueName, work } from './work.ts';
