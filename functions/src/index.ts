export { createApiKey, newApiKey, storeApiKey } from './api-key.ts';
export { createApp } from './app.ts';
export { type TenantLimits, tenantLimitsSchema } from './limits.ts';
export { findUnfit, imageTexts, nameText, refusalMessage, refuseUnfit, trainingTexts } from './moderate.ts';
export { algorithmSchema, type Oidc } from './oidc.ts';
export type { Services } from './services.ts';
