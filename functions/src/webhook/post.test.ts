import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { BlockedAddress } from './deliver.ts';
import { nodePost, pinnedLookup } from './post.ts';

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server on 127.0.0.1. @returns its port */
async function serve(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function textOf(got: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of got) text += chunk;
  return text;
}

test('posts to this machine for development, and only then', async () => {
  const seen: unknown[] = [];
  const port = await serve(async (got, response) => {
    seen.push([got.method, got.headers['webhook-id'], await textOf(got)]);
    response.writeHead(204).end();
  });
  const url = `http://localhost:${port}/hook`;
  expect(await nodePost({ allowLocal: true })(url, { 'webhook-id': 'whd_1' }, '{"ä":1}')).toEqual({ status: 204 });
  expect(seen).toEqual([['POST', 'whd_1', '{"ä":1}']]);
  await expect(nodePost()(url, {}, '')).rejects.toThrow(BlockedAddress);
  await expect(nodePost({ allowLocal: true })(`http://10.0.0.1:${port}`, {}, '')).rejects.toThrow(BlockedAddress);
  expect(seen).toHaveLength(1);
});

test.each([
  'https://127.0.0.1/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://[fd00:ec2::254]/',
  'https://localhost/',
  'http://93.184.215.14/',
  'ftp://93.184.215.14/',
])('%s is not posted to', async (url) => {
  const post = nodePost({ resolve: async () => ['127.0.0.1'] });
  await expect(post(url, {}, '')).rejects.toThrow(BlockedAddress);
});

test('a name with a single address that is not public is not posted to', async () => {
  const post = nodePost({ resolve: async () => ['93.184.215.14', '10.0.0.7'] });
  await expect(post('https://shop.example/', {}, '')).rejects.toThrow(BlockedAddress);
});

test.each([true, false])(
  'a name that leads elsewhere the next time is asked for once, and the address that was checked is called (%s)',
  async (autoSelectFamily) => {
    let called = 0;
    const port = await serve((_, response) => {
      called++;
      response.writeHead(200).end();
    });
    // The test's server plays the public one; the address it is rebound to is a private one, where nobody listens.
    const answers = [['127.0.0.1'], ['127.0.0.2']];
    let asked = 0;
    const lookup = pinnedLookup(
      async () => answers[asked++] ?? [],
      (address) => address === '127.0.0.1',
    );
    const send = () =>
      new Promise<number | undefined>((done, failed) => {
        const options = { host: 'rebound.example', port, lookup, agent: false, autoSelectFamily };
        request(options, (answer) => done(answer.resume().statusCode))
          .on('error', failed)
          .end();
      });
    expect(await send()).toBe(200);
    expect([asked, called]).toEqual([1, 1]);
    await expect(send()).rejects.toThrow(BlockedAddress);
    expect(called).toBe(1);
  },
);

test('redirects are answers, not ways', async () => {
  let hits = 0;
  const port = await serve((got, response) => {
    hits++;
    response.writeHead(got.url === '/' ? 307 : 200, { location: '/elsewhere' }).end();
  });
  expect(await nodePost({ allowLocal: true })(`http://127.0.0.1:${port}/`, {}, '')).toEqual({ status: 307 });
  expect(hits).toBe(1);
});

test('a receiver that does not answer, or without end, does not hold anybody up', async () => {
  const silent = await serve(() => undefined);
  await expect(nodePost({ allowLocal: true, timeoutMs: 50 })(`http://127.0.0.1:${silent}/`, {}, '')).rejects.toThrow();
  let closed: (() => void) | undefined;
  const gone = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const endless = await serve((_, response) => {
    const chunk = Buffer.alloc(16 * 1024);
    const write = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', write);
    response.on('close', () => closed?.());
    write();
  });
  expect(await nodePost({ allowLocal: true })(`http://127.0.0.1:${endless}/`, {}, '')).toEqual({ status: 200 });
  await gone;
});
