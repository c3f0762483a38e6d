import type { Bucket } from './bucket.ts';
import type { Limits } from './limits.ts';
import { type Queues, queueUrls } from './queues.ts';
import { pricesOf, type Stage, textPolicyOf } from './stage.ts';

interface Needs {
  bucket: Bucket;
  queues: Queues;
  limits: Limits;
  origins: $util.Output<string[]>;
}

/** The API's address. What answers there comes later, since it must know the studio, which must know this address. */
export function createApi({ requests, domains }: Stage) {
  return new sst.aws.ApiGatewayV2('Api', {
    cors: false, // The app answers preflights itself, as it does everywhere else.
    accessLog: { retention: '1 month' },
    transform: {
      stage: { defaultRouteSettings: { throttlingRateLimit: requests.perSecond, throttlingBurstLimit: requests.burst } },
    },
    ...(domains ? { domain: domains.api } : {}),
  });
}
export type Api = ReturnType<typeof createApi>;

/** The HTTP API: one function behind a gateway that knows no routes. */
export function answerApi(
  { oidc, redactPrompts, prices, moderation }: Stage,
  api: Api,
  { bucket, queues, limits, origins }: Needs,
) {
  // Set once, before the first deployment: see secrets.ts.
  const pepper = new sst.Secret('ApiKeyPepper');
  const objects = (...patterns: string[]) => patterns.map((pattern) => $interpolate`${bucket.arn}/${pattern}`);

  api.route('$default', {
    handler: 'functions/src/lambda.handler',
    // Keeping names costs a fifth of the time that a start takes: a call for each function, of which zod makes some for each schema.
    nodejs: { minify: true, plugins: 'functions/bundle/zod.ts', esbuild: { keepNames: false } },
    runtime: 'nodejs24.x',
    memory: '1024 MB', // More memory is more CPU: a start takes half the time that it takes with 512 MB.
    timeout: '29 seconds', // The gateway gives up after 30.
    environment: {
      BUCKET: bucket.name,
      ...queueUrls(queues),
      LIMITS_TABLE: limits.name,
      CORS_ORIGINS: origins.apply((list) => list.join(',')),
      KEY_PEPPER: pepper.value,
      REDACT_PROMPTS: `${redactPrompts}`,
      ...oidc,
      ...pricesOf(prices),
      ...textPolicyOf(moderation),
    },
    // Not `link`: that would grant s3:* and sqs:*. A presigned URL may do what its signer may, so this is also all that
    // the URLs handed out can ever do.
    permissions: [
      {
        actions: ['s3:GetObject'],
        resources: objects(
          'tenants/*',
          'pictures/*',
          'paces/*',
          'models/*/model.json',
          'keys/*',
          'outbox/*',
          'idempotency/*',
          'audit/*',
          'webhooks/*',
        ),
      },
      {
        actions: ['s3:PutObject'],
        resources: objects(
          'tenants/*/files/*/record.json',
          'tenants/*/files/*/content',
          'tenants/*/trainings/*/request.json',
          'tenants/*/trainings/*/record.json',
          'tenants/*/images/*/request.json',
          'tenants/*/images/*/record.json',
          'tenants/*/loras/*',
          'tenants/*/batches/*/record.json',
          'tenants/*/deliveries/*/record.json',
          'webhooks/*',
          'outbox/*',
          'idempotency/*',
          'keys/*',
          'audit/entries/*',
        ),
      },
      { actions: ['s3:DeleteObject'], resources: objects('outbox/*', 'tenants/*/files/*', 'keys/*') },
      // Without it S3 answers 403, not 404, for an object that is not there. A condition on the prefix would bring that back.
      { actions: ['s3:ListBucket'], resources: [bucket.arn] },
      { actions: ['sqs:SendMessage'], resources: Object.values(queues).map(({ live }) => live.arn) },
      { actions: ['sqs:GetQueueAttributes'], resources: [queues.images.live.arn] },
      { actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'], resources: [limits.arn] },
    ],
  });
}
