import { createHash } from 'node:crypto';
import { deleteLora, keys, newId, putRecord, shareLora } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { lora, model, sha256, testApp } from './test-app.ts';

// sha256sum's output over one file, hashed again: printf '%s  unet/a.safetensors\n' $sha256 | sha256sum
const files = [{ path: 'unet/a.safetensors', size_bytes: 3, sha256 }];
const model_digest = createHash('sha256').update(`${sha256}  unet/a.safetensors\n`).digest('hex');

const receipt = {
  model: 'emoji',
  model_digest,
  loras: [{ name: 'style', lora_id: lora.lora_id, digest: sha256, weight: 0.8, text_weight: 0.5 }],
  seed: 7,
  sampler: 'euler',
  steps: 9,
  guidance_scale: 3,
  width: 64,
  height: 128,
  prompt: 'red apple',
  negative_prompt: 'blue',
  engine_version: '0.0.9',
};

async function setUp() {
  const app = await testApp();
  await putRecord(app.bucket, keys.model('emoji'), { ...model, files });
  const post = async (body: object, key = app.alpha) => {
    const answer = await app.call('POST', '/v1/images', body, key);
    return { status: answer.status, body: await answer.json() };
  };
  return { ...app, post };
}

test('a receipt is a request for the same picture, all of it settled', async () => {
  const { post, upload } = await setUp();
  const [image, mask] = [await upload(), await upload()];
  const start = { file_id: image, sha256: 'a', strength: 0.4, mask_file_id: mask, mask_sha256: 'b' };
  const { status, body } = await post({ receipt: { ...receipt, image: start } });
  expect([status, body.status]).toEqual([202, 'queued']);
  expect(body.request).toEqual({
    model: 'emoji',
    prompt: 'red apple',
    negative_prompt: 'blue',
    n: 1,
    width: 64,
    height: 128,
    steps: 9,
    guidance_scale: 3,
    sampler: 'euler',
    seed: 7,
    loras: [{ name: 'style', lora_id: lora.lora_id, sha256, weight: 0.8, text_weight: 0.5 }],
    image,
    mask,
    image_strength: 0.4,
  });
});

test.each([
  ['another base under the name', { ...receipt, model_digest: sha256 }, 'digest_gone', 'receipt.model_digest'],
  ['no such base', { ...receipt, model: 'other' }, 'unknown_model', 'model'],
  [
    'no such version',
    { ...receipt, loras: [{ ...receipt.loras[0], lora_id: newId('lora') }] },
    'digest_gone',
    'receipt.loras.0.digest',
  ],
  [
    'another digest',
    { ...receipt, loras: [{ ...receipt.loras[0], digest: 'f'.repeat(64) }] },
    'digest_gone',
    'receipt.loras.0.digest',
  ],
  [
    'no such picture',
    { ...receipt, image: { file_id: newId('file'), sha256: 'a', strength: 1 } },
    'unknown_file',
    'receipt.image.file_id',
  ],
  ['too many steps', { ...receipt, steps: 151 }, 'invalid_request', 'receipt.steps'],
  ['no prompt', { ...receipt, prompt: undefined }, 'invalid_request', 'receipt.prompt'],
])('a receipt of %s is refused: %#', async (_, wrong, code, param) => {
  const { post, queues } = await setUp();
  expect(await post({ receipt: wrong })).toMatchObject({ status: 422, body: { error: { code, param } } });
  expect(queues.images.size()).toBe(0);
});

test('nothing may be changed in a receipt’s request, and what is wrong is said of the one that was meant', async () => {
  const { post } = await setUp();
  expect(await post({ receipt, n: 2 })).toMatchObject({ status: 422, body: { error: { code: 'invalid_request', param: 'n' } } });
  expect(await post({ model: 'emoji', prompt: 'x', n: 9 })).toMatchObject({ status: 422, body: { error: { param: 'n' } } });
  expect(await post({ receipt: {} })).toMatchObject({ status: 422, body: { error: { param: 'receipt.model' } } });
  expect(await post({ receipt: 7 })).toMatchObject({ status: 422, body: { error: { param: 'receipt' } } });
});

test('the owner’s receipts outlive the LoRA’s name; another tenant’s last while it is shared', async () => {
  const { post, bucket, beta } = await setUp();
  const theirs = { ...receipt, loras: [{ ...receipt.loras[0], name: 'alpha/style' }] };
  const refused = { status: 422, body: { error: { code: 'digest_gone', param: 'receipt.loras.0.digest' } } };
  expect(await post({ receipt: theirs }, beta)).toMatchObject(refused);
  await shareLora(bucket, 'alpha', 'style', 'beta', true);
  expect(await post({ receipt: theirs }, beta)).toMatchObject({
    status: 202,
    body: { request: { loras: [{ name: 'alpha/style' }] } },
  });
  await deleteLora(bucket, 'alpha', 'style');
  expect(await post({ receipt: theirs }, beta)).toMatchObject(refused);
  expect(await post({ receipt })).toMatchObject({ status: 202, body: { request: { loras: [{ name: 'style' }] } } });
});
