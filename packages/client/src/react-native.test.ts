import { afterEach, expect, test, vi } from 'vitest';
import { connect } from './connect.ts';
import { json, training } from './test-client.ts';

const { throwIfAborted } = AbortSignal.prototype;
afterEach(() => {
  vi.unstubAllGlobals();
  AbortSignal.prototype.throwIfAborted = throwIfAborted;
});

test('needs nothing that React Native lacks', async () => {
  const absent = () => {
    throw new Error('not implemented');
  };
  // What react-native/Libraries/Blob/URL.js and URLSearchParams.js throw for, and what is not there at all.
  for (const name of ['URL', 'URLSearchParams']) vi.stubGlobal(name, absent);
  vi.stubGlobal('crypto', undefined);
  Object.assign(AbortSignal.prototype, { throwIfAborted: undefined });

  const answers = [
    json({ object: 'list', data: [], next: null }),
    json({ id: 'file_1', upload: { method: 'PUT', url: 'https://bucket.example/a', headers: {} } }, 201),
    new Response(),
    json(training('queued', 0), 202),
    json(training('succeeded', 10)),
  ];
  const sent: unknown[] = [];
  const client = connect({
    url: 'https://api.example',
    apiKey: 'k',
    sha256: async () => '0'.repeat(64),
    fetch: async (input, init) => {
      sent.push([init?.method, input]);
      return answers.shift() ?? Response.error();
    },
  });
  const { signal } = new AbortController();
  await client.loras.list({ limit: 3, signal });
  const files = [{ picture: new Uint8Array([0xff, 0xd8, 1]), caption: 'p' }];
  await client.trainings.create({ model: 'm', name: 'n', files }, { signal });
  await client.trainings.wait(training('running', 1), { signal, firstPauseSeconds: 0.001 });
  vi.unstubAllGlobals();
  expect(sent).toEqual([
    ['GET', 'https://api.example/v1/loras?limit=3'],
    ['POST', 'https://api.example/v1/files'],
    ['PUT', 'https://bucket.example/a'],
    ['POST', 'https://api.example/v1/trainings'],
    ['GET', `https://api.example/v1/trainings/${training('queued', 0).id}`],
  ]);
});
