import { expect, test } from 'vitest';
import { memoryBucket } from './bucket/memory.ts';
import { newId } from './ids.ts';
import { type LoraVersion, loraReferenceSchema, parseLoraReference } from './lora.ts';
import { changeLora, deleteLora, shareLora } from './lora-changes.ts';
import { findLora, listLoraVersions, publishLora, readLoraName } from './registry.ts';

const versionAt = (time: number, more: Partial<LoraVersion> = {}): LoraVersion => ({
  name: 'style',
  object: 'lora',
  lora_id: newId('lora', time),
  model: 'emoji',
  rank: 4,
  alpha: 4,
  trigger_words: [],
  license: null,
  training_id: null,
  diffusers: null,
  size_bytes: 3,
  sha256: `${time}`,
  created_at: new Date(time).toISOString(),
  ...more,
});

const id = 'lora_7yt09zhtzc1v6m2x9q4r8d0kea';

test.each([
  ['style', { name: 'style' }],
  ['style@latest', { name: 'style' }],
  [`style@${id}`, { name: 'style', version: id }],
  ['acme/my.style_2', { owner: 'acme', name: 'my.style_2' }],
  [`acme/style@${id}`, { owner: 'acme', name: 'style', version: id }],
])('the reference %s', (reference, parts) => {
  expect(parseLoraReference(loraReferenceSchema.parse(reference))).toEqual(parts);
});

test.each([
  '',
  '/style',
  'a/b/c',
  '../style',
  'acme/..',
  'style@',
  'style@1',
  'style@@latest',
  'Style',
  'a.b/style',
  'style@lora_x',
])('no reference: %j', (reference) => expect(loraReferenceSchema.safeParse(reference).success).toBe(false));

test('versions that are published at once are all there, each once, and the one asked for last is the latest', async () => {
  const bucket = memoryBucket();
  const versions = Array.from({ length: 12 }, (_, i) => versionAt(1_000_000 + i));
  const shuffled = versions.map((_, i) => versions[(i * 5) % 12] ?? versionAt(0));
  // Each twice, as a message that comes again does.
  await Promise.all([...shuffled, ...shuffled].map((version) => publishLora(bucket, 't', version)));
  const name = await readLoraName(bucket, 't', 'style');
  expect(name?.versions).toEqual(versions.map(({ lora_id }) => lora_id).reverse());
  expect(name?.latest).toEqual(versions.at(-1));
  if (!name) throw new Error('nothing was published');
  const page = await listLoraVersions(bucket, 't', name, { limit: 100 });
  expect(page).toEqual({ versions: versions.toReversed(), next: undefined });
  for (const version of versions) {
    expect((await findLora(bucket, 't', `style@${version.lora_id}`))?.version).toEqual(version);
  }
});

test('what a version says holds for the name, what it leaves open stays', async () => {
  const bucket = memoryBucket();
  await publishLora(bucket, 't', versionAt(1, { trigger_words: ['sks'], license: 'MIT' }));
  await publishLora(bucket, 't', versionAt(2));
  expect(await readLoraName(bucket, 't', 'style')).toMatchObject({
    trigger_words: ['sks'],
    license: 'MIT',
    latest: { sha256: '2' },
  });
  await publishLora(bucket, 't', versionAt(3, { trigger_words: ['ink'], license: 'CC0' }));
  expect(await readLoraName(bucket, 't', 'style')).toMatchObject({ trigger_words: ['ink'], license: 'CC0' });
  // Set back by hand, it moves on with the next version.
  const first = (await readLoraName(bucket, 't', 'style'))?.versions.at(-1) ?? '';
  expect(await changeLora(bucket, 't', 'style', { latest: first })).toMatchObject({ latest: { sha256: '1' }, license: 'CC0' });
  await publishLora(bucket, 't', versionAt(4));
  expect((await findLora(bucket, 't', 'style'))?.version.sha256).toBe('4');
});

test('a version that was published before its name was deleted does not bring it back by being published again', async () => {
  const bucket = memoryBucket();
  const version = versionAt(Date.now() - 1000, { license: 'MIT' });
  await publishLora(bucket, 't', version);
  await shareLora(bucket, 't', 'style', 'u', true);
  await deleteLora(bucket, 't', 'style');
  await publishLora(bucket, 't', version);
  expect(await readLoraName(bucket, 't', 'style')).toMatchObject({ latest: null, versions: [], shared_with: [] });
  expect(await findLora(bucket, 't', 'style')).toBeUndefined();
  const next = versionAt(Date.now() + 1000);
  await publishLora(bucket, 't', next);
  expect(await readLoraName(bucket, 't', 'style')).toMatchObject({
    versions: [next.lora_id],
    license: null,
    shared_with: [],
    deleted_at: null,
  });
});

test('a hundred tenants may share a LoRA, one only once', async () => {
  const bucket = memoryBucket();
  await publishLora(bucket, 't', versionAt(1));
  for (let i = 0; i < 100; i++) await shareLora(bucket, 't', 'style', `u${i}`, true);
  await shareLora(bucket, 't', 'style', 'u7', true);
  await expect(shareLora(bucket, 't', 'style', 'v', true)).rejects.toMatchObject({ code: 'too_many_shares' });
  expect((await shareLora(bucket, 't', 'style', 'u7', false)).shared_with.length).toBe(99);
});
