import { createHash, randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { openDatabase } from '../database.ts';
import { type Exchange, listenOnLoopback, parseTarget, readBody } from '../loopback.ts';
import { type Credentials, SignatureError, verifySignature } from '../signature.ts';
import { actions, type Context, type Outcome } from './actions.ts';
import { SqsError } from './error.ts';
import { messagesSchema, openMessages } from './messages.ts';
import { openQueues, queuesSchema } from './queues.ts';

/** A message of 1 MiB in which JSON escapes every byte. */
const largestBody = 7 * 1024 ** 2;

/**
 * Serves a subset of SQS (standard queues, AWS JSON 1.0) from a folder on this machine's disk, on loopback.
 * @param options.port 0 (default): any free one
 * @param options.credentials the one key pair whose signatures are good
 * @throws Error if another process serves the folder
 */
export async function startSqs(options: { folder: string; port?: number; credentials: Credentials }) {
  const { folder, port = 0, credentials } = options;
  const database = openDatabase(join(folder, 'sqs.sqlite'), `${queuesSchema}; ${messagesSchema}`, 1);
  const queues = openQueues(database);
  const messages = openMessages(database, queues);
  const server = await listenOnLoopback(port, (exchange) => answer(exchange, { queues, messages }, credentials)).catch(
    (error) => {
      database.close();
      throw error;
    },
  );
  return {
    url: server.url,
    /** How much there is to do in a queue; age in seconds. @throws SqsError if there is no such queue */
    backlog(name: string): { depth: number; oldestSeconds: number } {
      const { visible, in_flight, delayed, oldest } = messages.counts(queues.require(name));
      return { depth: visible + in_flight + delayed, oldestSeconds: oldest === null ? 0 : (Date.now() - oldest) / 1000 };
    },
    /** Ends every request, those that wait for messages too; what was acknowledged is on the disk. */
    async close(): Promise<void> {
      await server.close();
      database.close();
    },
  };
}

async function answer(
  exchange: Exchange,
  storage: Pick<Context, 'queues' | 'messages'>,
  credentials: Credentials,
): Promise<void> {
  const { request, response } = exchange;
  const { socket } = request;
  watched.get(socket)?.();
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once('close', leave);
  socket.once('end', leave);
  let outcome: Outcome | undefined;
  let status = 200;
  const headers: Record<string, string> = { 'x-amzn-requestid': randomUUID(), 'content-type': 'application/x-amz-json-1.0' };
  try {
    const { name, input } = await receive(exchange, credentials);
    const run = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (!run) throw new SqsError('InvalidAction', `this server has no action ${name}`);
    outcome = await run(input, { ...storage, url: `http://${request.headers.host}`, signal: gone.signal });
  } catch (error) {
    if (gone.signal.aborted) return;
    const { name, message, ...refusal } = asRefusal(error);
    status = refusal.status;
    headers['x-amzn-query-error'] = `${refusal.queryCode};${status < 500 ? 'Sender' : 'Receiver'}`;
    outcome = { output: { __type: `com.amazonaws.sqs#${name}`, message } };
  }
  const { output, undelivered } = outcome;
  try {
    response.writeHead(status, headers).end(JSON.stringify(output));
    await finished(response);
  } catch {
    undelivered?.();
    return;
  } finally {
    socket.off('end', leave);
  }
  if (undelivered) watch(socket, undelivered);
}

/** Ends the watch over a connection's last answer. */
const watched = new WeakMap<Socket, () => void>();

/**
 * Calls `undelivered` if the connection is reset before the next request on it: the answer was on its way when its
 * reader had gone. Messages in it would be hidden from everybody for nothing.
 */
function watch(socket: Socket, undelivered: () => void): void {
  const closed = (reset: boolean) => {
    if (reset) undelivered();
  };
  socket.once('close', closed);
  watched.set(socket, () => {
    socket.off('close', closed);
    watched.delete(socket);
  });
}

/** The action's name and input, once the signature over them is found good. */
async function receive({ request }: Exchange, credentials: Credentials): Promise<{ name: string; input: unknown }> {
  const body = await readBody(request, largestBody);
  if (!body) throw new SqsError('InvalidParameterValue', `the request has more than ${largestBody} bytes`);
  const target = parseTarget(request.url ?? '');
  if (!target) throw new SqsError('InvalidParameterValue', 'the URL is not valid');
  const { method = '', headersDistinct } = request;
  const payloadHash = createHash('sha256').update(body).digest('hex');
  verifySignature({ ...target, method, headers: headersDistinct }, { service: 'sqs', credentials, payloadHash });

  const [service, name] = (headersDistinct['x-amz-target']?.[0] ?? '').split('.');
  if (method !== 'POST' || service !== 'AmazonSQS' || name === undefined) {
    throw new SqsError('InvalidAction', 'want a POST with x-amz-target: AmazonSQS.<action>');
  }
  try {
    return { name, input: JSON.parse(body.toString() || '{}') };
  } catch {
    throw new SqsError('InvalidParameterValue', 'the body is not JSON');
  }
}

function asRefusal(error: unknown): { name: string; message: string; queryCode: string; status: number } {
  if (error instanceof SqsError) return error;
  if (error instanceof SignatureError) {
    const { code, status, message } = error;
    return { name: code, queryCode: code, status, message };
  }
  console.error(error);
  return new SqsError('InternalFailure', 'The request has failed because of an unknown error');
}
