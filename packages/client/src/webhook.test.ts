import { expect, test } from 'vitest';
import { LoraloomError } from './error.ts';
import { verifyWebhook } from './webhook.ts';

// The vector of the specification's own libraries (standard-webhooks/libraries, "sign function works").
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const body = '{"test": 2432232314}';
const signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const now = 1_614_265_330_000;
const headers = {
  'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  'webhook-timestamp': '1614265330',
  'webhook-signature': signature,
};
const other = `whsec_${btoa('another secret of twenty-four')}`;
const forged = `v1,${btoa('x'.repeat(32))}`;

test('takes the specification’s own example, and gives what it says', async () => {
  expect(await verifyWebhook(body, headers, { secret, now })).toEqual({ test: 2_432_232_314 });
  expect(await verifyWebhook(body, new Headers(headers), { secret, now })).toEqual({ test: 2_432_232_314 });
});

test.each([
  ['five minutes later', { now: now + 300_000 }, {}],
  ['five minutes before', { now: now - 300_000 }, {}],
  ['later, where that is tolerated', { now: now + 3_600_000, toleranceSeconds: 3600 }, {}],
  ['without the secret’s prefix', { secret: secret.slice(6) }, {}],
  ['under one of two secrets, the second', { secret: [other, secret] }, {}],
  ['one signature of several', {}, { 'webhook-signature': `${forged} v1a,abc ${signature}` }],
  ['beside one that is no base 64', {}, { 'webhook-signature': `v1,*** ${signature}` }],
])('takes it %s', async (_, options, other) => {
  expect(await verifyWebhook(body, { ...headers, ...other }, { secret, now, ...options })).toEqual({ test: 2_432_232_314 });
});

test.each([
  ['with a byte more', 'signatures', `${body} `, {}, {}],
  ['under another secret', 'signatures', body, { secret: other }, {}],
  ['under another id', 'signatures', body, {}, { 'webhook-id': 'msg_2' }],
  ['under another time', 'signatures', body, {}, { 'webhook-timestamp': '1614265331' }],
  ['with another signature', 'signatures', body, {}, { 'webhook-signature': forged }],
  ['with a signature of another scheme', 'signatures', body, {}, { 'webhook-signature': signature.replace('v1', 'v2') }],
  ['with an empty signature', 'signatures', body, {}, { 'webhook-signature': '' }],
  ['when it is too old', '300 seconds', body, { now: now + 301_000 }, {}],
  ['when it comes from the future', '300 seconds', body, { now: now - 301_000 }, {}],
  ['when its time is no number', '300 seconds', body, {}, { 'webhook-timestamp': 'NaN' }],
  ['when its time is empty', '300 seconds', body, { now: 0 }, { 'webhook-timestamp': '' }],
  ['without an id', 'webhook-id', body, {}, { 'webhook-id': undefined }],
  ['without a time', 'webhook-timestamp', body, {}, { 'webhook-timestamp': undefined }],
  ['without a signature', 'webhook-signature', body, {}, { 'webhook-signature': undefined }],
])('refuses it %s', async (_, why, text, options, other) => {
  const refused = verifyWebhook(text, { ...headers, ...other }, { secret, now, ...options });
  await expect(refused).rejects.toBeInstanceOf(LoraloomError);
  await expect(refused).rejects.toMatchObject({ status: 0, code: 'bad_webhook', message: expect.stringContaining(why) });
});

test('a secret that is none is the receiver’s own mistake', async () => {
  await expect(verifyWebhook(body, headers, { secret: 'whsec_***', now })).rejects.toBeInstanceOf(TypeError);
});
