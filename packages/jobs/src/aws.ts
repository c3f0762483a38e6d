import { AwsV4Signer } from 'aws4fetch';

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

/** How to reach one AWS service. `endpoint` without a trailing slash. */
export interface AwsAccess {
  endpoint: string;
  region: string;
  /** Asked for every request: credentials on ECS and Lambda are short-lived. */
  credentials: () => AwsCredentials | Promise<AwsCredentials>;
  /** Default: the global one. */
  fetch?: typeof fetch;
}

/** An answer of AWS that is not the one hoped for. */
export class AwsError extends Error {
  readonly status: number;

  constructor(what: string, status: number, answer: string) {
    super(`${what}: ${status} ${answer.slice(0, 500)}`);
    this.name = 'AwsError';
    this.status = status;
  }
}

export type SignedRequest = {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array>;
  signal?: AbortSignal | undefined;
};

const tries = 4;

/**
 * Signing keys, each good for a day: deriving one takes twice as much as all the rest of a signature. Few at a time are in use, since
 * credentials come one after the other.
 */
const signingKeys = new Map<string, ArrayBuffer>();
const mostSigningKeys = 16;

function signerOf(request: ConstructorParameters<typeof AwsV4Signer>[0]): AwsV4Signer {
  if (signingKeys.size >= mostSigningKeys) signingKeys.clear();
  return new AwsV4Signer({ ...request, cache: signingKeys });
}

/**
 * Signs a request (signature version 4, in the headers) and sends it, again after a short random wait when the network
 * or the service fails. A stream is sent once only: it cannot be read twice.
 */
export async function signedFetch(
  access: AwsAccess,
  service: 's3' | 'sqs' | 'dynamodb',
  request: SignedRequest,
): Promise<Response> {
  const { method, url, headers, body, signal } = request;
  const streaming = body instanceof ReadableStream;
  for (let attempt = 1; ; attempt++) {
    const last = streaming || attempt === tries || signal?.aborted;
    const { region } = access;
    const signer = signerOf({
      ...definedOnly(await access.credentials()),
      method,
      url,
      headers,
      region,
      service,
      ...(body === undefined || streaming ? {} : { body }),
    });
    const signed = await signer.sign();
    try {
      const answer = await (access.fetch ?? fetch)(signed.url, {
        method,
        headers: signed.headers,
        ...(body === undefined ? {} : { body }),
        ...(streaming ? { duplex: 'half' } : {}),
        ...(signal ? { signal } : {}),
      });
      if (last || (answer.status < 500 && answer.status !== 429)) return answer;
      await answer.body?.cancel();
    } catch (error) {
      if (last || signal?.aborted) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt));
  }
}

/** Signs a URL for S3 (signature version 4, in the query) so that whoever holds it may send this request with these headers. */
export async function presign(
  access: AwsAccess,
  request: { method: 'GET' | 'PUT'; url: string; headers?: Record<string, string>; expiresSeconds: number },
): Promise<string> {
  const url = new URL(request.url);
  url.searchParams.set('X-Amz-Expires', `${request.expiresSeconds}`);
  const signer = signerOf({
    ...definedOnly(await access.credentials()),
    method: request.method,
    url: url.href,
    headers: request.headers ?? {},
    region: access.region,
    service: 's3',
    signQuery: true,
    // Content-Length and Content-Type, too, must be as they were signed; without this they would be left out.
    allHeaders: true,
  });
  return (await signer.sign()).url.href;
}

function definedOnly({ accessKeyId, secretAccessKey, sessionToken }: AwsCredentials) {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
