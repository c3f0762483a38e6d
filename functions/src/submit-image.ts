import { createImage, imageRequestSchema, images as kind, reproduceImage, reproductionSchema } from '@loraloom/jobs';
import type { Context } from 'hono';
import { z } from 'zod';
import { imageTexts, refuseUnfit } from './moderate.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';
import { submit, type submitHeaders } from './submit.ts';
import { requireUse } from './token-loras.ts';
import { requireWebhook } from './webhooks.ts';

/** Pictures, described or by the receipt of one that was made before. */
export const imageBodySchema = z.union([imageRequestSchema, reproductionSchema]);

/**
 * The one way in for all requests for pictures, whichever route they came by: judges what they say, then as `submit`.
 * @param chosenId the caller's own, if the caller chose one
 * @throws ApiError 422 `content_refused`; RequestError
 */
export function submitImage(
  c: Context<Env>,
  services: Services,
  headers: z.infer<typeof submitHeaders>,
  request: z.output<typeof imageBodySchema>,
  chosenId?: string,
) {
  const { model, prompt, negative_prompt, loras } = 'receipt' in request ? request.receipt : request;
  const names = loras.map(({ name, weight }) => ({ name, weight }));
  c.set('audited', { model, loras: names, prompt, negative_prompt });
  refuseUnfit(services, 'receipt' in request ? imageTexts(request.receipt, 'receipt.') : imageTexts(request));
  const [used, path] = 'receipt' in request ? [request.receipt.loras, 'receipt.'] : [request.loras, ''];
  requireUse(
    c.var.caller,
    used.map(({ name }, i) => ({ name, param: `${path}loras.${i}.name` })),
  );
  if (!('receipt' in request)) requireWebhook(c.var.caller, request);
  return submit(c, services, kind, headers, (to, tenant, keyId) => {
    const id = chosenId ?? keyId;
    return 'receipt' in request ? reproduceImage(to, tenant, request, id) : createImage(to, tenant, request, id);
  });
}
