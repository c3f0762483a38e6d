export { startS3 } from './s3/server.ts';
export type { Credentials } from './signature.ts';
export { startSqs } from './sqs/server.ts';
