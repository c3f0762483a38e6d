import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export type Credentials = { accessKeyId: string; secretAccessKey: string };

/** A request as it came over the wire: `path` still escaped, `query` decoded, header names in lower case. */
export type WireRequest = {
  method: string;
  path: string;
  query: [name: string, value: string][];
  headers: Partial<Record<string, string[]>>;
};

/** Why a request is not let in. `code` is AWS's name for it. */
export class SignatureError extends Error {
  readonly code: string;
  readonly status: 400 | 403;

  constructor(code: string, message: string, status: 400 | 403 = 403) {
    super(message);
    this.name = 'SignatureError';
    this.code = code;
    this.status = status;
  }
}

const algorithm = 'AWS4-HMAC-SHA256';
const skewMs = 15 * 60_000;
const longestExpirySeconds = 7 * 24 * 3600;

/** One signature, wherever in the request it stood. `date` as `20260102T030405Z`. */
type Claim = { credential: string; date: string; signedHeaders: string[]; signature: string; presigned: boolean };

/**
 * Checks a request's signature version 4, in its Authorization header or (S3 only) in its query.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * What the signature vouches for is the request line, the signed headers and `payloadHash`; that the body has this hash
 * is for the caller to check.
 * @param options.payloadHash the body's SHA-256 (hex), or what S3 writes in its place, e.g. `UNSIGNED-PAYLOAD`
 * @throws SignatureError
 */
export function verifySignature(
  request: WireRequest,
  options: { service: 's3' | 'sqs'; credentials: Credentials; payloadHash: string; now?: number },
): void {
  const { service, credentials, payloadHash, now = Date.now() } = options;
  const claim = service === 's3' && queryValue(request, 'X-Amz-Signature') !== undefined ? inQuery(request) : inHeader(request);
  if (claim.presigned) checkExpiry(request, claim.date, now);
  else if (Math.abs(timeOf(claim.date) - now) > skewMs) {
    throw new SignatureError('RequestTimeTooSkewed', `x-amz-date ${claim.date} is more than 15 minutes from this server's time`);
  }
  checkCoverage(request, claim.signedHeaders);

  const canonicalRequest = [
    request.method,
    canonicalPath(request.path, service),
    canonicalQuery(request.query),
    ...claim.signedHeaders.map((name) => `${name}:${canonicalHeader(request.headers[name])}`),
    '',
    claim.signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
  const { key, scope } = signingKey(claim.credential, claim.date, service, credentials);
  const expected = hmac(key, [algorithm, claim.date, scope, sha256(canonicalRequest)].join('\n')).toString('hex');
  requireEqual(claim.signature, expected);
}

/**
 * Checks the signature of a POST policy (the base64 text a browser's form carries).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
 * @throws SignatureError
 */
export function verifyPolicySignature(
  form: { policy: string; algorithm: string; credential: string; date: string; signature: string },
  credentials: Credentials,
): void {
  if (form.algorithm !== algorithm) throw new SignatureError('InvalidArgument', `x-amz-algorithm: want ${algorithm}`, 400);
  timeOf(form.date);
  const { key } = signingKey(form.credential, form.date, 's3', credentials);
  requireEqual(form.signature, hmac(key, form.policy).toString('hex'));
}

function inHeader({ headers }: WireRequest): Claim {
  const authorization = headers.authorization?.[0];
  if (authorization === undefined) throw new SignatureError('AccessDenied', 'the request is not signed');
  const fields = new Map<string, string>();
  const [scheme, rest = ''] = splitOnce(authorization, ' ');
  for (const part of rest.split(',')) {
    const [name, value = ''] = splitOnce(part.trim(), '=');
    fields.set(name, value);
  }
  const credential = fields.get('Credential');
  const signedHeaders = fields.get('SignedHeaders');
  const signature = fields.get('Signature');
  if (scheme !== algorithm || !credential || !signedHeaders || !signature) {
    const wanted = `${algorithm} Credential=…, SignedHeaders=…, Signature=…`;
    throw new SignatureError('AuthorizationHeaderMalformed', `Authorization: want ${wanted}`, 400);
  }
  const date = headers['x-amz-date']?.[0] ?? '';
  return { credential, date, signedHeaders: signedHeaders.split(';'), signature, presigned: false };
}

function inQuery(request: WireRequest): Claim {
  const field = (name: string) => {
    const value = queryValue(request, name);
    if (!value) throw new SignatureError('AuthorizationQueryParametersError', `the query has no ${name}`, 400);
    return value;
  };
  if (field('X-Amz-Algorithm') !== algorithm) {
    throw new SignatureError('AuthorizationQueryParametersError', `X-Amz-Algorithm: want ${algorithm}`, 400);
  }
  return {
    credential: field('X-Amz-Credential'),
    date: field('X-Amz-Date'),
    signedHeaders: field('X-Amz-SignedHeaders').split(';'),
    signature: field('X-Amz-Signature'),
    presigned: true,
  };
}

function checkExpiry(request: WireRequest, date: string, now: number): void {
  const text = queryValue(request, 'X-Amz-Expires') ?? '';
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 1 || seconds > longestExpirySeconds) {
    const wanted = `X-Amz-Expires: want 1 to ${longestExpirySeconds} seconds`;
    throw new SignatureError('AuthorizationQueryParametersError', wanted, 400);
  }
  const signedAt = timeOf(date);
  if (signedAt > now + skewMs) throw new SignatureError('AccessDenied', 'Request is not yet valid');
  if (now > signedAt + seconds * 1000) throw new SignatureError('AccessDenied', 'Request has expired');
}

/** S3 and SQS act on x-amz-* headers, so one that nobody signed could change what the signer allowed. */
function checkCoverage({ headers }: WireRequest, signedHeaders: string[]): void {
  const unsigned = Object.keys(headers).filter((name) => name.startsWith('x-amz-') && !signedHeaders.includes(name));
  if (!signedHeaders.includes('host')) unsigned.push('host');
  if (unsigned.length > 0) {
    throw new SignatureError(
      'AccessDenied',
      `There were headers present in the request which were not signed: ${unsigned.join(', ')}`,
    );
  }
}

/** @throws SignatureError if the credential is not ours or is not for this day and service */
function signingKey(credential: string, date: string, service: string, { accessKeyId, secretAccessKey }: Credentials) {
  const [id, day, region, forService, end, ...more] = credential.split('/');
  if (!id || !day || !region || end !== 'aws4_request' || more.length > 0) {
    throw new SignatureError(
      'AuthorizationHeaderMalformed',
      'credential: want <access key>/<day>/<region>/<service>/aws4_request',
      400,
    );
  }
  if (id !== accessKeyId) throw new SignatureError('InvalidAccessKeyId', `no access key ${id}`);
  if (forService !== service) {
    throw new SignatureError('AuthorizationHeaderMalformed', `credential: want service ${service}, not ${forService}`, 400);
  }
  if (!date.startsWith(day)) {
    throw new SignatureError('AuthorizationHeaderMalformed', `credential: day ${day} is not that of date ${date}`, 400);
  }
  const key = [region, service, end].reduce(hmac, hmac(`AWS4${secretAccessKey}`, day));
  return { key, scope: `${day}/${region}/${service}/${end}` };
}

function timeOf(date: string): number {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);
  if (parts.length === 0) throw new SignatureError('AccessDenied', `x-amz-date: want 20260102T030405Z, not '${date}'`);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** S3 signs the path escaped once, every other service escapes the escaped path again. */
function canonicalPath(path: string, service: 's3' | 'sqs'): string {
  const text = service === 's3' ? decodeURIComponent(path) : path;
  return text.split('/').map(percentEncode).join('/');
}

function canonicalQuery(query: [string, string][]): string {
  return query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function canonicalHeader(values: string[] | undefined): string {
  return (values ?? []).map((value) => value.trim().replaceAll(/ +/g, ' ')).join(',');
}

function requireEqual(signature: string, expected: string): void {
  const given = Buffer.from(signature);
  const wanted = Buffer.from(expected);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new SignatureError('SignatureDoesNotMatch', 'the signature is not the one this request and the secret key give');
  }
}

function queryValue({ query }: WireRequest, name: string): string | undefined {
  return query.find(([key]) => key === name)?.[1];
}

/** RFC 3986: everything but letters, digits and `-._~`. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
