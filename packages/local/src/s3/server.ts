import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { openDatabase } from '../database.ts';
import { type Exchange, listenOnLoopback, parseTarget } from '../loopback.ts';
import { type Credentials, SignatureError, verifySignature } from '../signature.ts';
import { bucketOperations } from './bucket-operations.ts';
import type { Call, Storage } from './call.ts';
import { notImplemented, S3Error } from './error.ts';
import { openFiles } from './files.ts';
import { objectOperations } from './object-operations.ts';
import { objectsSchema, openObjects, requireKey } from './objects.ts';
import { receivePost } from './post.ts';
import { openUploads, uploadsSchema } from './uploads.ts';
import { writeXml } from './xml.ts';

const operations = [...bucketOperations, ...objectOperations];

/** Query parameters that ask for nothing: the SDK's name of the call, and what belongs to a signature. */
const neutral = /^(x-id|x-amz-.*)$/i;

/**
 * Serves a subset of S3 from a folder on this machine's disk, on loopback, path-style (`{url}/{bucket}/{key}`).
 * @param options.port 0 (default): any free one
 * @param options.credentials the one key pair whose signatures are good
 * @throws Error if another process serves the folder
 */
export async function startS3(options: { folder: string; port?: number; credentials: Credentials }) {
  const { folder, port = 0, credentials } = options;
  const database = openDatabase(join(folder, 's3.sqlite'), `${objectsSchema}; ${uploadsSchema}`, 1);
  const objects = openObjects(database);
  const uploads = openUploads(database, objects);
  const files = openFiles(join(folder, 'objects'));
  files.sweep(new Set([...objects.pieces(), ...uploads.pieces()].map(({ name }) => name)));
  const storage = { objects, uploads, files };

  const server = await listenOnLoopback(port, (exchange) => answer(exchange, storage, credentials)).catch((error) => {
    database.close();
    throw error;
  });
  return {
    url: server.url,
    /** Makes a bucket, unless it is there. */
    createBucket: (name: string): void => void objects.createBucket(name),
    /** Ends every request; what was acknowledged is on the disk. */
    async close(): Promise<void> {
      await server.close();
      database.close();
    },
  };
}

async function answer(exchange: Exchange, storage: Storage, credentials: Credentials): Promise<void> {
  const { request, response } = exchange;
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  response.setHeader('x-amz-request-id', requestId);
  if (request.headers.origin !== undefined) {
    // Any page may ask, for only a signature gets an answer.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-expose-headers', 'ETag, Content-Length, Content-Range, Last-Modified, x-amz-request-id');
  }
  try {
    if (request.method === 'OPTIONS') preflight(exchange);
    else await serve(exchange, storage, credentials);
  } catch (error) {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const { status, code, message, headers } = asS3Error(error);
    const body = writeXml('Error', [
      ['Code', code],
      ['Message', message],
      ['Resource', request.url ?? ''],
      ['RequestId', requestId],
    ]);
    response.writeHead(status, { ...headers, 'content-type': 'application/xml' }).end(body);
  }
}

function asS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (error instanceof SignatureError) return new S3Error(error.status, error.code, error.message);
  console.error(error);
  return new S3Error(500, 'InternalError', 'We encountered an internal error. Please try again.');
}

function preflight({ request, response }: Exchange): void {
  response
    .writeHead(200, {
      'access-control-allow-methods': 'GET, HEAD, PUT, POST, DELETE',
      'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '',
      'access-control-max-age': '3000',
    })
    .end();
}

async function serve(exchange: Exchange, storage: Storage, credentials: Credentials): Promise<void> {
  const { request } = exchange;
  const target = parseTarget(request.url ?? '');
  if (!target) throw new S3Error(400, 'InvalidURI', "Couldn't parse the specified URI.");
  const { method = '', headersDistinct } = request;
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(decodeURIComponent(target.path)) ?? [];
  if (bucket === '') throw notImplemented(`${method} on no bucket`);
  if (method === 'POST' && key === '' && request.headers['content-type']?.startsWith('multipart/form-data')) {
    return receivePost(exchange, storage, bucket, credentials);
  }

  const { header, headerNames } = headersOf(request, target.query);
  const presigned = target.query.some(([name]) => name === 'X-Amz-Signature');
  const payloadHash = header('x-amz-content-sha256') ?? (presigned ? 'UNSIGNED-PAYLOAD' : undefined);
  if (payloadHash === undefined) {
    if (request.headers.authorization === undefined) throw new S3Error(403, 'AccessDenied', 'the request is not signed');
    throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  verifySignature({ ...target, method, headers: headersDistinct }, { service: 's3', credentials, payloadHash });

  const operation = findOperation(method, key === '' ? 'bucket' : 'object', new Set(target.query.map(([name]) => name)));
  requireKey(key);
  if (!(method === 'PUT' && key === '')) storage.objects.requireBucket(bucket);
  await operation.run({ ...exchange, ...storage, bucket, key, query: new Map(target.query), header, headerNames, payloadHash });
}

function findOperation(method: string, on: 'bucket' | 'object', names: Set<string>) {
  const asked = [...names].filter((name) => !neutral.test(name));
  const found = operations.find(({ needs = [], may = [], ...operation }) => {
    if (operation.method !== method || operation.on !== on || !needs.every((name) => names.has(name))) return false;
    return asked.every((name) => needs.includes(name) || may.includes(name));
  });
  if (!found) throw notImplemented(`${method} on ${on === 'bucket' ? 'a bucket' : 'an object'} with ?${asked.join('&')}`);
  return found;
}

/** A presigned URL may carry x-amz-* headers as parameters; they are signed there, as headers would be. */
function headersOf({ headersDistinct }: IncomingMessage, query: [string, string][]): Pick<Call, 'header' | 'headerNames'> {
  const headers = new Map(query.map(([name, value]): [string, string] => [name.toLowerCase(), value]));
  for (const name of headers.keys()) if (!name.startsWith('x-amz-')) headers.delete(name);
  for (const [name, values = []] of Object.entries(headersDistinct)) headers.set(name, values.join(','));
  return { header: (name) => headers.get(name), headerNames: [...headers.keys()] };
}
