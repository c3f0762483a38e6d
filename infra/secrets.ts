/** Secrets that must be set before the first deployment, and what to set them to; preflight.ts looks whether they are. */
export const secrets = {
  /** What API keys are hashed with. A new one makes all keys invalid. */
  ApiKeyPepper: '$(openssl rand -hex 32)',
};
