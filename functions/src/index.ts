export { bucketKeys, type Caller, callerSchema, hashApiKey, type KeyStore, newApiKey } from './api-key.ts';
export { createApp } from './app.ts';
export type { Services } from './services.ts';
