import { Agent, createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type Faults, lateSeconds } from './faults.ts';
import type { Version, Watch } from './watch.ts';

/** What stands at the far end of a line. */
export type Service = 's3' | 'sqs' | 'api';

/** A request as it came, to be sent on as it is: the signature holds whatever port it went through. */
interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}
interface Answer {
  status: number;
  headers: OutgoingHttpHeaders;
  body: Buffer;
}

export interface LinkOptions {
  seed: number;
  /** Of the program whose line it is. */
  program: string;
  service: Service;
  /** Where the service is now; undefined while it is down. */
  target: () => string | undefined;
  faults: Faults;
  watch: Watch;
  /** Makes a message that was just received visible again. */
  expire: (queueUrl: string, receipt: string) => Promise<void>;
  /** What lies in the bucket, as soon as S3 answers. */
  read: (key: string) => Promise<{ etag: string; text: string } | undefined>;
  /** Called before and after every request takes effect; it may cut the line. */
  moment?: (when: 'before' | 'after', label: string, path: string) => void;
}

/** One program's line to one service, on which things go wrong. */
export type Link = Awaited<ReturnType<typeof openLink>>;

export async function openLink(options: LinkOptions) {
  const { seed, program, service, target, faults, watch, moment = () => undefined } = options;
  const line = `${program} ${service}`;
  const agent = new Agent({ keepAlive: true });
  let cut = false;
  let requests = 0;

  const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 });
  server.on('request', async (request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const lose = () => request.socket.destroy();
    try {
      const asked = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(await request.toArray()),
      };
      const answer = await carry(asked, gone.signal);
      if (cut || !answer) return lose();
      if (!response.destroyed) response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch {
      lose();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;

  /** Carries a request through whatever happens to it. @returns undefined if no answer gets back */
  async function carry(asked: Asked, gone: AbortSignal): Promise<Answer | undefined> {
    const label = labelOf(service, asked);
    const fault = faults.next(line, { label, patient: service === 'api' || program === 'api' || program === 'consumers' });
    const late = () => sleep(1000 * lateSeconds(seed, line, label, ++requests));
    const happens = () => fault !== undefined && faults.count(fault);
    moment('before', label, asked.path);
    if (cut) return undefined;
    switch (fault) {
      case 'request lost':
        happens();
        return undefined;
      case 'no answer ever':
        happens();
        await new Promise((resolve) => gone.addEventListener('abort', resolve));
        return undefined;
      case 'error before effect':
        happens();
        return trouble(service, 500);
      case 'unavailable':
        happens();
        return trouble(service, 503);
      case 'stale read': {
        const stale = watch.versions.get(keyOf(asked))?.at(-2);
        if (!stale) break;
        happens();
        return { status: 200, headers: { etag: stale.etag, 'content-type': 'application/json' }, body: Buffer.from(stale.text) };
      }
      case 'request late':
        happens();
        await late();
        if (cut || gone.aborted) return undefined;
    }
    let answer = await effect(asked, label, gone);
    if (fault === 'sent twice') {
      happens();
      answer = await effect(asked, label, gone);
    }
    moment('after', label, asked.path);
    if (fault === 'visibility expired') {
      for (const { QueueUrl, ReceiptHandle } of receivedIn(asked, answer)) {
        happens();
        await options.expire(QueueUrl, ReceiptHandle);
      }
    }
    if (fault === 'answer lost' || fault === 'error after effect' || fault === 'answer late') happens();
    if (fault === 'answer lost') return undefined;
    if (fault === 'error after effect') return trouble(service, 500);
    if (fault === 'answer late') await late();
    return answer;
  }

  /** What the service makes of it, seen by the watch. */
  async function effect(asked: Asked, label: string, gone: AbortSignal): Promise<Answer> {
    if (label === 'PUT record') {
      const answer = await watch.write(keyOf(asked), async () => {
        const answer = await forward(asked, gone).catch(() => undefined);
        const text = plain(asked);
        // S3 went down over it: whether the write took effect, only the bucket knows.
        const there = answer ? undefined : await options.read(keyOf(asked));
        const etag = answer?.status === 200 ? String(answer.headers.etag ?? '') : there?.text === text ? there.etag : undefined;
        const written: Version | undefined = etag === undefined ? undefined : { by: program, etag, text };
        return { answer, written };
      });
      if (!answer) throw new Error(`${service} went down`);
      return answer;
    }
    const answer = await forward(asked, gone);
    if (answer.status === 200 && service === 'sqs') told(asked, label, answer);
    return answer;
  }

  function told(asked: Asked, label: string, answer: Answer): void {
    if (label === 'SendMessage') watch.sent(sentSchema.parse(JSON.parse(String(answer.body))).MessageId, bodyOf(asked));
    if (label === 'DeleteMessage') watch.deleted(receiptSchema.parse(JSON.parse(String(asked.body))).ReceiptHandle, program);
    for (const { MessageId, ReceiptHandle, Body } of receivedIn(asked, answer)) watch.received(MessageId, ReceiptHandle, Body);
  }

  function forward({ method, path, headers, body }: Asked, gone: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const to = target();
      if (to === undefined) return reject(new Error(`${service} is down`));
      const { hostname, port } = new URL(to);
      // A write that is on its way arrives, whoever has gone meanwhile; a wait for messages ends.
      const waits = service === 'sqs' && /ReceiveMessage/.test(String(headers['x-amz-target']));
      const onward = send({ agent, hostname, port, method, path, headers, ...(waits ? { signal: gone } : {}) });
      onward.once('error', reject);
      onward.once('response', (answer) => {
        answer.toArray().then((pieces) => {
          const { 'transfer-encoding': _, connection: __, ...kept } = answer.headers;
          resolve({ status: answer.statusCode ?? 0, headers: kept, body: Buffer.concat(pieces) });
        }, reject);
      });
      onward.end(body);
    });
  }

  return {
    url,
    /** The line is dead: nothing that is sent now, or is still on its way, has any effect. */
    cut(): void {
      cut = true;
      server.closeAllConnections();
      server.close();
    },
    async close(): Promise<void> {
      this.cut();
      agent.destroy();
    },
  };
}

const sentSchema = z.object({ MessageId: z.string() });
const bodySchema = z.object({ MessageBody: z.string() });
const receiptSchema = z.object({ ReceiptHandle: z.string() });
const queueSchema = z.object({ QueueUrl: z.string() });
const receivedSchema = z.object({
  Messages: z.array(z.object({ MessageId: z.string(), ReceiptHandle: z.string(), Body: z.string() })).default([]),
});

const bodyOf = ({ body }: Asked) => bodySchema.parse(JSON.parse(String(body))).MessageBody;

function receivedIn(asked: Asked, answer: Answer) {
  if (!/ReceiveMessage/.test(String(asked.headers['x-amz-target'])) || answer.status !== 200) return [];
  const { QueueUrl } = queueSchema.parse(JSON.parse(String(asked.body)));
  return receivedSchema.parse(JSON.parse(String(answer.body))).Messages.map((message) => ({ ...message, QueueUrl }));
}

/** The key of an object, behind the bucket's name. */
const keyOf = ({ path }: Asked) => decodeURIComponent(path.replace(/\?.*/, '').split('/').slice(2).join('/'));

/** A body as it was before the SDK cut it into chunks to add a checksum. */
function plain({ headers, body }: Asked): string {
  if (!String(headers['content-encoding'] ?? '').includes('aws-chunked')) return String(body);
  const size = Number(headers['x-amz-decoded-content-length']);
  const begin = body.indexOf('\r\n') + 2;
  return String(body.subarray(begin, begin + size));
}

/** What a request does, by which its fate is drawn: nothing in it differs from run to run, as ids do. */
function labelOf(service: Service, { method, path, headers }: Asked): string {
  if (service === 'sqs') return String(headers['x-amz-target']).replace(/.*\./, '');
  if (service === 'api') return `${method} ${path.replace(/[?].*/, '').replaceAll(/(img|trn|file)_\w+/g, 'id')}`;
  if (path.includes('list-type=2')) return 'LIST';
  const name =
    /(record\.json|request\.json|content|checkpoint|outbox|idempotency|models|keys|\.png|loras)/.exec(path)?.[1] ?? path;
  return `${method} ${/tenants\/[^/]+\/(images|trainings)\/[^/]+\/record\.json/.test(path) ? 'record' : name}`;
}

/** How a service says that something is wrong with it. */
function trouble(service: Service, status: 500 | 503): Answer {
  const bodies = {
    s3: ['application/xml', `<Error><Code>${status === 500 ? 'InternalError' : 'SlowDown'}</Code></Error>`],
    sqs: ['application/x-amz-json-1.0', '{"__type":"com.amazonaws.sqs#ServiceUnavailable"}'],
    api: ['text/html', '<h1>gateway</h1>'],
  } as const;
  const [type, text] = bodies[service];
  return { status, headers: { 'content-type': type }, body: Buffer.from(text) };
}
