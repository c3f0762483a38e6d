import { createRoute } from '@hono/zod-openapi';
import { checkTraining, newId, optionMeant, trainingCheckSchema, trainingRequestSchema } from '@loraloom/jobs';
import { examples } from './examples.ts';
import { refuseUnfit, trainingTexts } from './moderate.ts';
import { body, errors, json, newRouter, ofBody } from './router.ts';
import type { Services } from './services.ts';
import { requireTraining } from './token-loras.ts';

const post = createRoute({
  method: 'post',
  path: '/v1/trainings:check',
  summary: 'What a training would be, and what its pictures and captions make one expect; nothing is created',
  request: body(trainingRequestSchema, examples.trainingRequest),
  responses: {
    200: json('Settled request, findings, estimate', trainingCheckSchema, examples.trainingCheck),
    ...errors(401, 403, ...ofBody, 429),
  },
});

/** The preflight of trainings alone. */
export function trainingCheck(services: Services) {
  return newRouter(optionMeant).openapi(post, async (c) => {
    refuseUnfit(services, trainingTexts(c.req.valid('json')));
    requireTraining(c.var.caller, c.req.valid('json'));
    return c.json(await checkTraining(services.bucket, c.var.caller.tenant, c.req.valid('json'), newId('training')), 200);
  });
}
