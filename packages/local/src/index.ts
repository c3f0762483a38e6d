export { startConsumer } from './consumer.ts';
export { emoji } from './emoji.ts';
export { openLimits } from './limits.ts';
export { createQueue } from './queue.ts';
export { type ModelDescription, registerModel } from './register-model.ts';
export { startS3 } from './s3/server.ts';
export type { Credentials } from './signature.ts';
export { startSqs } from './sqs/server.ts';
export { startStack } from './stack.ts';
