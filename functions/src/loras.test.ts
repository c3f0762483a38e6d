import { createHash } from 'node:crypto';
import { type Bucket, beginAttempt, images, keys, updateAttempt } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { heldApp, lora, model, sha256, testApp } from './test-app.ts';

/** A safetensors file (github.com/huggingface/safetensors, "Format") of float16 zeros. */
function safetensors(shapes: Record<string, number[]>, metadata: Record<string, string> = {}): Uint8Array<ArrayBuffer> {
  let at = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = at;
    at += 2 * shape.reduce((product, size) => product * size, 1);
    return [name, { dtype: 'F16', shape, data_offsets: [begin, at] }] as const;
  });
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  const bytes = new Uint8Array(8 + json.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const layer = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k';
const kohya = (rank = 4, context = 768) => ({
  [`${layer}.lora_down.weight`]: [rank, context],
  [`${layer}.lora_up.weight`]: [320, rank],
  [`${layer}.alpha`]: [],
});

async function setUp() {
  const app = await testApp();
  const uploadLora = (bytes: Uint8Array<ArrayBuffer>, key = app.alpha) =>
    app.uploadBytes(bytes, 'ink.safetensors', 'application/octet-stream', key);
  const send = async (method: string, path: string, body?: object, key = app.alpha) => {
    const answer = await app.call(method, path, body, key);
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };
  const importLora = async (bytes: Uint8Array<ArrayBuffer>, more: object = {}) =>
    send('POST', '/v1/loras', { name: 'ink', model: 'emoji', file_id: await uploadLora(bytes), ...more });
  /** A request for a picture with this LoRA, and the version that it got. */
  const use = async (name: string, key = app.alpha) => {
    const { status, body } = await send('POST', '/v1/images', { model: 'emoji', prompt: 'x', loras: [{ name }] }, key);
    return { status, code: body.error?.code, message: body.error?.message, used: body.request?.loras[0] };
  };
  return { ...app, uploadLora, send, importLora, use };
}

test('an uploaded file becomes a version; its bytes are the LoRA’s own; another becomes the latest', async () => {
  const { importLora, send, bucket, use } = await setUp();
  const metadata = { ss_network_alpha: '2', 'modelspec.trigger_phrase': 'sks, ink' };
  const bytes = safetensors(kohya(), metadata);
  const first = await importLora(bytes, { license: 'MIT' });
  expect(first.status).toBe(201);
  expect(first.body).toMatchObject({
    name: 'ink',
    model: 'emoji',
    rank: 4,
    alpha: 2,
    trigger_words: ['sks', 'ink'],
    license: 'MIT',
    training_id: null,
    diffusers: null,
    size_bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  expect(await send('GET', '/v1/loras/ink')).toMatchObject({ status: 200, body: { diffusers_url: null } });
  expect(first.headers.get('location')).toBe(`/v1/loras/ink@${first.body.lora_id}`);
  // Sent again, it is no new version.
  expect(await importLora(bytes)).toMatchObject({ status: 200, body: { lora_id: first.body.lora_id } });

  await new Promise((resolve) => setTimeout(resolve, 2));
  const second = await importLora(safetensors(kohya(8)));
  const { body: latest } = await send('GET', '/v1/loras/ink');
  // What the second file left open stays.
  expect(latest).toMatchObject({ lora_id: second.body.lora_id, rank: 8, license: 'MIT', trigger_words: ['sks', 'ink'] });
  const { body: older } = await send('GET', `/v1/loras/ink@${first.body.lora_id}`);
  expect(new Uint8Array(await (await bucket.fetch(older.url)).arrayBuffer())).toEqual(bytes);
  const { body: page } = await send('GET', '/v1/loras/ink/versions');
  expect(page.data.map((version: { lora_id: string }) => version.lora_id)).toEqual([second.body.lora_id, first.body.lora_id]);
  const { body: half } = await send('GET', '/v1/loras/ink/versions?limit=1');
  const { body: rest } = await send('GET', `/v1/loras/ink/versions?limit=1&after=${half.next}`);
  expect([half.data[0].rank, rest.data[0].rank, rest.next]).toEqual([8, 4, null]);

  expect((await use('ink')).used).toMatchObject({ name: 'ink', lora_id: second.body.lora_id, sha256: second.body.sha256 });
  expect((await use('ink@latest')).used).toMatchObject({ name: 'ink', lora_id: second.body.lora_id });
  expect((await use(`ink@${first.body.lora_id}`)).used).toMatchObject({ name: 'ink', lora_id: first.body.lora_id });
  expect(await use(`ink@${lora.lora_id}`)).toMatchObject({ status: 422, code: 'unknown_lora' });
});

test.each([
  ['a LoRA', safetensors(kohya()), { base: 'sd1', ranks: [4], formats: ['kohya'], problems: [] }],
  ['a LoRA for SDXL', safetensors(kohya(4, 2048)), { base: 'sdxl', problems: [] }],
  [
    'one that says it is for another base',
    safetensors(kohya(), { ss_base_model_version: 'sdxl_base_v1-0' }),
    { base: 'sd1', claimed_base: 'sdxl' },
  ],
  [
    'a DoRA',
    safetensors({ ...kohya(), [`${layer}.dora_scale`]: [320, 1] }),
    { unsupported: { kind: 'dora' }, problems: [{ code: 'unsupported_lora' }] },
  ],
  ['a LoHa', safetensors({ [`${layer}.hada_w1_a`]: [320, 4] }), { unsupported: { kind: 'loha' } }],
  [
    'a file of something else',
    safetensors({ 'a.weight': [2, 2] }),
    { problems: [{ code: 'bad_lora', message: expect.stringContaining('a.weight') }] },
  ],
  ['half a LoRA', safetensors({ [`${layer}.lora_up.weight`]: [320, 4] }), { problems: [{ code: 'bad_lora' }] }],
  ['a file cut short', safetensors(kohya()).slice(0, -1), { problems: [{ code: 'bad_safetensors' }] }],
  [
    'a pickle',
    Uint8Array.from([0x80, 2, 0x7d, 0x71, 0, 0x58, 1, 0, 0, 0, 0x61]),
    { problems: [{ code: 'bad_safetensors', message: expect.stringContaining('pickle') }] },
  ],
  ['three bytes', new Uint8Array([1, 2, 3]), { problems: [{ code: 'bad_safetensors' }] }],
  ['a header longer than any', Uint8Array.from([0, 0, 0, 1, 0, 0, 0, 0, 0x7b, 1]), { problems: [{ code: 'bad_safetensors' }] }],
])('inspect tells what %s is, and only what has no problems is imported', async (_, bytes, wanted) => {
  const { uploadLora, send, call } = await setUp();
  const file_id = await uploadLora(bytes);
  const report = await send('POST', '/v1/loras:inspect', { file_id });
  expect(report).toMatchObject({ status: 200, body: { object: 'lora.report', file_id, size_bytes: bytes.length, ...wanted } });
  const imported = await send('POST', '/v1/loras', { name: 'ink', model: 'emoji', file_id });
  if (report.body.problems.length > 0)
    expect(imported).toMatchObject({ status: 422, body: { error: { ...report.body.problems[0], param: 'file_id' } } });
  else if (report.body.base !== model.family)
    expect(imported).toMatchObject({ status: 422, body: { error: { code: 'lora_mismatch', param: 'model' } } });
  else expect(imported.status).toBe(201);
  expect((await call('GET', '/v1/loras/ink')).status).toBe(imported.status === 201 ? 200 : 404);
});

test('of a large file only the header is read, however long it is', async () => {
  const { uploadLora, services, alpha } = await setUp();
  const reads: [number, number | undefined][] = [];
  const bucket: Bucket = {
    ...services.bucket,
    getBytes: async (key, options) => {
      if (key.endsWith('/content')) reads.push([options?.range?.start ?? 0, options?.range?.end]);
      return services.bucket.getBytes(key, options);
    },
  };
  const app = heldApp({ ...services, bucket });
  const inspect = async (bytes: Uint8Array<ArrayBuffer>) => {
    const headers = { authorization: `Bearer ${alpha}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ file_id: await uploadLora(bytes) });
    return (await app.request('/v1/loras:inspect', { method: 'POST', headers, body })).json();
  };
  expect(await inspect(safetensors(kohya(1024)))).toMatchObject({ ranks: [1024], problems: [] });
  expect(reads).toEqual([[0, 2 ** 18 - 1]]);
  reads.length = 0;
  const long = safetensors(kohya(), { notes: 'x'.repeat(300_000) });
  const length = Number(new DataView(long.buffer).getBigUint64(0, true));
  expect(await inspect(long)).toMatchObject({ ranks: [4], problems: [] });
  expect(reads).toEqual([
    [0, 2 ** 18 - 1],
    [8, 7 + length],
  ]);
});

test('what is under a name can be described, shown with a cover, and set back to an older version', async () => {
  const { importLora, send, upload, uploadLora, bucket } = await setUp();
  const { body: first } = await importLora(safetensors(kohya()));
  await new Promise((resolve) => setTimeout(resolve, 2));
  const { body: second } = await importLora(safetensors(kohya(8)));
  const description = { license: 'CC0-1.0', trigger_words: ['ink drawing'], cover: { file_id: await upload() } };
  const { cover } = description;
  const { status, body } = await send('PATCH', '/v1/loras/ink', { ...description, latest: first.lora_id });
  expect(status).toBe(200);
  expect(body).toEqual({ ...first, ...description, cover_url: body.cover_url });
  const uploaded = await bucket.getBytes(keys.fileContent('alpha', cover.file_id));
  expect(new Uint8Array(await (await bucket.fetch(body.cover_url)).arrayBuffer())).toEqual(uploaded?.bytes);
  expect((await send('GET', '/v1/loras/ink')).body).toMatchObject({ lora_id: first.lora_id, license: 'CC0-1.0' });
  expect((await send('GET', '/v1/loras')).body.data[0]).toMatchObject({ name: 'ink', cover });
  // A version itself never changes.
  expect((await send('GET', '/v1/loras/ink/versions')).body.data).toMatchObject([
    { lora_id: second.lora_id, license: null },
    { license: null, trigger_words: [] },
  ]);

  const job = (await send('POST', '/v1/images', { model: 'emoji', prompt: 'x' })).body;
  const made = { cover: { image_id: job.id, index: 0 } };
  expect(await send('PATCH', '/v1/loras/ink', made)).toMatchObject({ status: 422, body: { error: { code: 'unknown_image' } } });
  const begun = await beginAttempt(bucket, images, 'alpha', job.id);
  await bucket.put(keys.picture('alpha', job.id, 0), new Uint8Array([9]), { contentType: 'image/png' });
  const receipt = {
    model: 'emoji',
    model_digest: 'd',
    loras: [],
    seed: 1,
    sampler: 'ddim' as const,
    steps: 1,
    guidance_scale: 1,
    width: 8,
    height: 8,
    prompt: 'x',
    negative_prompt: '',
    engine_version: '1',
  };
  const picture = {
    index: 0,
    seed: 1,
    width: 8,
    height: 8,
    content_type: 'image/png' as const,
    sha256,
    receipt,
    key: keys.picture('alpha', job.id, 0),
  };
  await updateAttempt(bucket, images, 'alpha', begun, (record) => ({
    ...record,
    status: 'succeeded',
    output: { images: [picture] },
  }));
  const covered = await send('PATCH', '/v1/loras/ink', made);
  expect(covered).toMatchObject({ status: 200, body: { ...made, license: 'CC0-1.0' } });
  // The cover outlasts the picture.
  await bucket.delete(keys.picture('alpha', job.id, 0));
  expect(new Uint8Array(await (await bucket.fetch(covered.body.cover_url)).arrayBuffer())).toEqual(new Uint8Array([9]));
  expect((await send('PATCH', '/v1/loras/ink', made)).status).toBe(422);
  expect(await send('PATCH', '/v1/loras/ink', { cover: null, license: null })).toMatchObject({
    body: { cover: null, cover_url: null, license: null },
  });
  const notPicture = { cover: { file_id: await uploadLora(safetensors(kohya())) } };
  expect(await send('PATCH', '/v1/loras/ink', notPicture)).toMatchObject({
    status: 422,
    body: { error: { code: 'not_a_picture' } },
  });
});

test('a LoRA is another tenant’s to use while it is shared, and else not to be told from one that never was', async () => {
  const { send, use, beta, call } = await setUp();
  const strip = (text: string) => text.replaceAll(/alpha\/\w+(@\w+)?/g, '…');
  const unknown = await use('alpha/none', beta);
  expect(unknown).toMatchObject({ status: 422, code: 'unknown_lora' });
  const references = ['alpha/style', 'alpha/style@latest', `alpha/style@${lora.lora_id}`];
  const refused = async () => {
    for (const reference of references) {
      const { status, code, message } = await use(reference, beta);
      expect([status, code, strip(message)]).toEqual([422, 'unknown_lora', strip(unknown.message)]);
    }
  };
  await refused();
  expect(await send('POST', '/v1/loras/style/share', { tenant: 'beta' })).toMatchObject({
    status: 200,
    body: { shared_with: ['beta'] },
  });
  for (const reference of references) {
    expect(await use(reference, beta)).toMatchObject({ status: 202, used: { name: 'alpha/style', lora_id: lora.lora_id } });
  }
  // To use, not to have, to list, to change or to pass on.
  for (const [method, path, body] of [
    ['GET', '/v1/loras/style', undefined],
    ['GET', '/v1/loras/alpha%2Fstyle', undefined],
    ['GET', '/v1/loras/style/versions', undefined],
    ['PATCH', '/v1/loras/style', { license: 'MIT' }],
    ['DELETE', '/v1/loras/style', undefined],
    ['POST', '/v1/loras/style/share', { tenant: 'gamma' }],
  ] as const) {
    expect([method, path, (await call(method, path, body, beta)).status]).toEqual([method, path, 404]);
  }
  expect((await send('GET', '/v1/loras', undefined, beta)).body.data).toEqual([]);
  // The owner may write its own name out.
  expect((await use('alpha/style')).used).toMatchObject({ name: 'style' });
  expect((await send('POST', '/v1/loras/style/unshare', { tenant: 'beta' })).body.shared_with).toEqual([]);
  await refused();
  await send('POST', '/v1/loras/style/share', { tenant: 'beta' });
  await send('DELETE', '/v1/loras/style');
  await refused();
});

test('a deleted name is gone for good, but not for what was made with it; a new import begins anew', async () => {
  const { importLora, send, use, bucket } = await setUp();
  const bytes = safetensors(kohya());
  const { body: first } = await importLora(bytes, { license: 'MIT' });
  const accepted = await use('ink');
  expect(await send('DELETE', '/v1/loras/ink')).toMatchObject({
    status: 200,
    body: { name: 'ink', object: 'lora', deleted: true },
  });
  for (const [method, path, body] of [
    ['GET', '/v1/loras/ink', undefined],
    ['GET', '/v1/loras/ink/versions', undefined],
    ['PATCH', '/v1/loras/ink', {}],
    ['DELETE', '/v1/loras/ink', undefined],
    ['POST', '/v1/loras/ink/share', { tenant: 'beta' }],
  ] as const) {
    expect(await send(method, path, body)).toMatchObject({ status: 410, body: { error: { code: 'deleted', param: 'name' } } });
  }
  expect((await send('GET', '/v1/loras')).body.data.map(({ name }: { name: string }) => name)).toEqual(['style']);
  expect(await use('ink')).toMatchObject({ status: 422, code: 'unknown_lora' });
  expect(await use(`ink@${first.lora_id}`)).toMatchObject({ status: 422, code: 'unknown_lora' });
  expect((await bucket.head(keys.loraWeights('alpha', 'ink', accepted.used.lora_id)))?.size).toBe(bytes.length);

  const again = await importLora(bytes);
  expect(again).toMatchObject({ status: 201, body: { license: null } });
  expect(again.body.lora_id).not.toBe(first.lora_id);
  expect((await send('GET', '/v1/loras/ink/versions')).body.data.length).toBe(1);
  expect(await use(`ink@${first.lora_id}`)).toMatchObject({ status: 422, code: 'unknown_lora' });
});

test('a repeated request is the same job, though the latest version is another by then, or gone', async () => {
  const { importLora, send, app, alpha } = await setUp();
  await importLora(safetensors(kohya()));
  const post = async () => {
    const headers = { authorization: `Bearer ${alpha}`, 'content-type': 'application/json', 'idempotency-key': 'once' };
    const body = JSON.stringify({ model: 'emoji', prompt: 'x', loras: [{ name: 'ink' }] });
    const answer = await app.request('/v1/images', { method: 'POST', headers, body });
    const { id, request: accepted } = await answer.json();
    return { status: answer.status, id, accepted };
  };
  const first = await post();
  expect(first.status).toBe(202);
  await importLora(safetensors(kohya(8)));
  expect(await post()).toEqual(first);
  await send('DELETE', '/v1/loras/ink');
  expect(await post()).toEqual(first);
});

test('what is no picture is neither trained on nor painted over', async () => {
  const { uploadLora, send } = await setUp();
  const file_id = await uploadLora(safetensors(kohya()));
  const training = { model: 'emoji', name: 'x', files: [{ file_id, caption: '' }] };
  expect(await send('POST', '/v1/trainings', training)).toMatchObject({
    status: 422,
    body: { error: { code: 'not_a_picture', param: 'files.0.file_id' } },
  });
  expect(await send('POST', '/v1/images', { model: 'emoji', prompt: 'x', image: file_id })).toMatchObject({
    status: 422,
    body: { error: { code: 'not_a_picture', param: 'image' } },
  });
});
