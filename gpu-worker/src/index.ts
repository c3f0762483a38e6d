export { openS3, openSqs } from './clients.ts';
export { consume } from './consume.ts';
export { buryDead } from './dead.ts';
export type { QueueName, Services } from './services.ts';
export { work } from './work.ts';
