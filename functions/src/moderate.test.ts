import { newId } from '@loraloom/jobs';
import { openModerator, parsePolicy } from '@loraloom/moderation';
import { expect, test } from 'vitest';
import { errorSchema } from './error.ts';
import { heldApp, testApp } from './test-app.ts';

const file = { file_id: newId('file'), caption: 'red apple' };
const picture = { content_type: 'image/png', size_bytes: 3, sha256: '0'.repeat(64) };

test.each([
  ['images', { model: 'emoji', prompt: 'a p0rn scene' }, 'prompt', 'sexual', 'prompt'],
  ['images', { model: 'emoji', prompt: 'two girls', negative_prompt: 'blurry, clothes' }, undefined, undefined, undefined],
  ['images', { model: 'emoji', prompt: 'toddler', negative_prompt: 'blurry, (clothes:1.3)' }, 'negative_prompt', 'sexual_minors'],
  ['images', { model: 'emoji', prompt: 'sexy dress', negative_prompt: 'adult' }, 'negative_prompt', 'sexual_minors'],
  ['images', { model: 'emoji', prompt: 'a street', negative_prompt: 'nsfw, nude, gore, child, swastika' }, undefined],
  [
    'trainings',
    { model: 'emoji', name: 'style', files: [file, { ...file, caption: 'a beheaded man' }] },
    'files.1.caption',
    'violence',
  ],
  ['trainings', { model: 'emoji', name: 'style', trigger_word: 'hentai', files: [file] }, 'trigger_word', 'sexual', 'caption'],
  [
    'trainings',
    { model: 'emoji', name: 'style', trigger_word: 'nude', files: [{ ...file, caption: 'child' }] },
    'files.0.caption',
    'sexual_minors',
  ],
  [
    'trainings',
    { model: 'emoji', name: 'style', files: [file], sample_prompts: ['a cat', 'porno'] },
    'sample_prompts.1',
    'sexual',
    'prompt',
  ],
  ['trainings:check', { model: 'emoji', name: 'style', files: [{ ...file, caption: 'hentai' }] }, 'files.0.caption', 'sexual'],
  ['trainings', { model: 'emoji', name: 'fuck-style', files: [file] }, 'name', 'sexual', 'file_name'],
  ['images/generations', { model: 'emoji', prompt: 'a p0rn scene' }, 'prompt', 'sexual', 'prompt'],
  ['../generate', { prompt: 'a beheaded man' }, 'prompt', 'violence', 'prompt'],
  ['loras', { name: 'fuck-style', model: 'emoji', file_id: file.file_id }, 'name', 'sexual', 'file_name'],
  [
    'loras',
    { name: 'ink', model: 'emoji', file_id: file.file_id, trigger_words: ['ink', 'hentai'] },
    'trigger_words.1',
    'sexual',
  ],
  ['files', { ...picture, name: 'nude_woman.png' }, 'name', 'sexual', 'file_name'],
  ['files', { ...picture, name: 'selbstmord.png' }, 'name', 'self_harm', 'file_name'],
])('POST /v1/%s %j: %s', async (route, body, param, category?: string, stage?: string) => {
  const { call, bucket, queues, logged } = await testApp();
  const before = (await bucket.list('')).keys.length;
  const answer = await call('POST', `/v1/${route}`, body);
  if (param === undefined) return expect(answer.status).toBe(202);
  expect(answer.status).toBe(422);
  const { error } = errorSchema.parse(await answer.json());
  expect(error).toMatchObject({ code: 'content_refused', param, refusal: { category, ...(stage ? { stage } : {}) } });
  expect(error.refusal?.score).toBeGreaterThanOrEqual(error.refusal?.threshold ?? 1);
  // It says what kind of word, not which; and it has cost nothing: neither a record nor a message.
  expect(error.message).not.toMatch(/porn|clothes|behead|hentai|fuck|nude|selbst/);
  const { keys } = await bucket.list('');
  expect(keys.filter(({ key }) => !key.startsWith('audit/')).length).toBe(before);
  expect(queues.trainings.size() + queues.images.size()).toBe(0);
  expect(logged).toEqual([expect.objectContaining({ message: 'content refused', param, category })]);
  expect(JSON.stringify(logged)).not.toMatch(/porn|clothes|beheaded|hentai|selbstmord/);
});

test('a deployment chooses what is refused, but not for children', async () => {
  const { services, call, alpha } = await testApp();
  const policy = { deny: ['acme*'], allow: ['nude', 'porn'], off: ['violence'], thresholds: { hate: 0.5 } };
  const app = heldApp({ ...services, moderator: openModerator(parsePolicy(JSON.stringify(policy))) });
  const ask = async (prompt: string) => {
    const init = { method: 'POST', headers: { authorization: `Bearer ${alpha}`, 'content-type': 'application/json' } };
    const answer = await app.request('/v1/images', { ...init, body: JSON.stringify({ model: 'emoji', prompt }) });
    return answer.status === 202 ? 'accepted' : errorSchema.parse(await answer.json()).error.refusal?.category;
  };
  expect(await ask('a nude woman')).toBe('accepted');
  expect(await ask('a naked woman')).toBe('sexual');
  expect(await ask('a nude child')).toBe('sexual_minors');
  expect(await ask('child porn')).toBe('sexual_minors');
  expect(await ask('a beheaded man')).toBe('accepted');
  expect(await ask('a nazi uniform')).toBe('hate');
  expect(await ask('the AcmeCorp logo')).toBe('custom');
  expect((await call('POST', '/v1/images', { model: 'emoji', prompt: 'a nazi uniform' })).status).toBe(202);
});

test.each(['{"off":["sexual_minors"]}', '{"thresholds":{"sexual_minors":1}}', '{"allowed":[]}', '{"deny":[""]}', 'nonsense'])(
  'a policy that is none is an error: %s',
  (json) => {
    expect(() => parsePolicy(json)).toThrow();
  },
);
