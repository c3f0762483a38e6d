import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { wrongsOfHooks } from './hooks.ts';

const secret = `whsec_${Buffer.from('a secret of the customer and us').toString('base64')}`;
const id = 'img_7yt09zhw3gq8m5tr1vkd2xcfaj';
const at = Date.parse('2026-11-25T10:00:00.000Z');

/** As standardwebhooks.com has it. */
function told(type: string, webhookId = 'msg_1', key = 'a secret of the customer and us') {
  const body = JSON.stringify({ type, timestamp: '2026-11-25T10:00:00.000Z', data: { id } });
  const signature = createHmac('sha256', key)
    .update(`${webhookId}.${at / 1000}.${body}`)
    .digest('base64');
  const headers = { 'webhook-id': webhookId, 'webhook-timestamp': String(at / 1000), 'webhook-signature': `v1,${signature}` };
  return { headers, body, at };
}

test.each([
  ['once', [told('image.succeeded')], undefined],
  ['twice the same', [told('image.succeeded'), told('image.succeeded')], undefined],
  ['never', [], 'nobody was told'],
  ['of another end', [told('image.failed')], 'is image.failed, not image.succeeded'],
  ['of two ends', [told('image.succeeded'), told('image.canceled')], 'is image.canceled, not image.succeeded'],
  ['under two ids', [told('image.succeeded'), told('image.succeeded', 'msg_2')], 'under several ids'],
  ['by somebody else', [told('image.succeeded', 'msg_1', 'another secret')], 'cannot be trusted'],
])('an end is told %s', async (_, all, wrong) => {
  const wrongs = await wrongsOfHooks(all, secret, [{ id, object: 'image', status: 'succeeded' }]);
  if (wrong === undefined) expect(wrongs).toEqual([]);
  else expect(wrongs.join()).toContain(wrong);
});
