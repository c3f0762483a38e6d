import { parseLoraReference, RequestError } from '@loraloom/jobs';
import type { Caller } from './caller.ts';
import { ApiError } from './error.ts';

/**
 * A token for certain LoRAs learns as much of all others as of those that are not there.
 * @param references as the request has them, under the names of their fields
 * @throws RequestError `unknown_lora`
 */
export function requireUse(caller: Caller, references: readonly { param: string; name: string }[]): void {
  const stranger = references.find(({ name }) => !mayUse(caller, name));
  if (!stranger) return;
  throw new RequestError('unknown_lora', `no LoRA named ${stranger.name}; GET /v1/loras lists them`, stranger.param);
}

/**
 * It trains what it may use, on from what it may use, and nothing else under another name.
 * @throws ApiError 403 `insufficient_scope`
 */
export function requireTraining(
  caller: Caller,
  { name, continue_from: from }: { name: string; continue_from?: { lora: string } | { training_id: string } | undefined },
): void {
  const refuse = (what: string, param: string) => {
    throw new ApiError(403, 'insufficient_scope', `this token may not train ${what}`, param);
  };
  if (!mayUse(caller, name)) refuse(`the LoRA ${name}`, 'name');
  if (!from) return;
  if ('lora' in from && !mayUse(caller, from.lora)) refuse(`on from the LoRA ${from.lora}`, 'continue_from.lora');
  if ('training_id' in from && caller.token?.loras) refuse('on from another training', 'continue_from.training_id');
}

function mayUse({ tenant, token }: Caller, reference: string): boolean {
  if (!token?.loras) return true;
  const wanted = parseLoraReference(reference);
  return token.loras.map(parseLoraReference).some(({ owner = tenant, name, version }) => {
    return name === wanted.name && owner === (wanted.owner ?? tenant) && (version === undefined || version === wanted.version);
  });
}
