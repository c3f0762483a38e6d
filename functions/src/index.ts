export { bucketKeys, type Caller, callerSchema, hashApiKey, type KeyStore, newApiKey } from './api-key.ts';
export { createApp } from './app.ts';
export { tick } from './batch/tick.ts';
export { consume } from './consume.ts';
export { findUnfit, imageTexts, nameText, refusalMessage, refuseUnfit, trainingTexts } from './moderate.ts';
export type { Services } from './services.ts';
export { deliver } from './webhook/deliver.ts';
export { nodePost } from './webhook/post.ts';
