import { describe, expect, test } from 'vitest';
import { SignatureError, verifySignature, type WireRequest } from './signature.ts';

// The worked examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and
// …/sigv4-query-string-auth.html, with AWS's example keys.
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const now = Date.UTC(2013, 4, 24);
const host = 'examplebucket.s3.amazonaws.com';
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const scope = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';

type Example = { method?: string; path: string; query?: [string, string][]; headers?: Record<string, string>; hash?: string };

function request({ method = 'GET', path, query = [], headers = {}, hash = empty }: Example, signature: string): WireRequest {
  const all: Record<string, string> = { ...headers, host, 'x-amz-content-sha256': hash, 'x-amz-date': '20130524T000000Z' };
  const SignedHeaders = Object.keys(all).sort().join(';');
  all.authorization = `AWS4-HMAC-SHA256 Credential=${scope},SignedHeaders=${SignedHeaders},Signature=${signature}`;
  return { method, path, query, headers: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]])) };
}

const putHash = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';
const examples: [string, Example, string][] = [
  [
    'GET an object',
    { path: '/test.txt', headers: { range: 'bytes=0-9' } },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'PUT an object',
    {
      method: 'PUT',
      path: '/test%24file.text',
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      hash: putHash,
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'GET a subresource',
    { path: '/', query: [['lifecycle', '']] },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'list',
    {
      path: '/',
      query: [
        ['prefix', 'J'],
        ['max-keys', '2'],
      ],
    },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
];

test.each(examples)("AWS's example: %s", (_, example, signature) => {
  const options = { service: 's3', credentials, payloadHash: example.hash ?? empty, now } as const;
  verifySignature(request(example, signature), options);
  const wrong = signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  expect(() => verifySignature(request(example, wrong), options)).toThrow(SignatureError);
  expect(() => verifySignature(request({ ...example, path: '/other' }, signature), options)).toThrow(SignatureError);
});

describe("AWS's example of a presigned URL", () => {
  const presigned = (more: Record<string, string> = {}, headers: WireRequest['headers'] = {}): WireRequest => ({
    method: 'GET',
    path: '/test.txt',
    query: Object.entries({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': scope,
      'X-Amz-Date': '20130524T000000Z',
      'X-Amz-Expires': '86400',
      'X-Amz-SignedHeaders': 'host',
      'X-Amz-Signature': 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
      ...more,
    }),
    headers: { host: [host], ...headers },
  });
  const codeOf = (request: WireRequest, at = now) => {
    try {
      verifySignature(request, { service: 's3', credentials, payloadHash: 'UNSIGNED-PAYLOAD', now: at });
    } catch (error) {
      if (error instanceof SignatureError) return `${error.status} ${error.code}`;
      throw error;
    }
    return 'good';
  };

  test.each<[string, string, WireRequest, number?]>([
    ['at once', 'good', presigned()],
    ['in its last second', 'good', presigned(), now + 86_400_000],
    ['a millisecond too late', '403 AccessDenied', presigned(), now + 86_400_001],
    ['from a clock that is a little ahead', 'good', presigned(), now - 14 * 60_000],
    ['before its time', '403 AccessDenied', presigned(), now - 16 * 60_000],
    ['made to last longer', '403 SignatureDoesNotMatch', presigned({ 'X-Amz-Expires': '86401' })],
    ['that never expires', '400 AuthorizationQueryParametersError', presigned({ 'X-Amz-Expires': '604801' })],
    ['with a header that nobody signed', '403 AccessDenied', presigned({}, { 'x-amz-meta-a': ['b'] })],
    ['without a signed host', '403 AccessDenied', presigned({ 'X-Amz-SignedHeaders': 'range' })],
    ['for another service', '400 AuthorizationHeaderMalformed', presigned({ 'X-Amz-Credential': scope.replace('s3', 'sqs') })],
    ['of another day', '400 AuthorizationHeaderMalformed', presigned({ 'X-Amz-Credential': scope.replace('0524', '0523') })],
    ['with another algorithm', '400 AuthorizationQueryParametersError', presigned({ 'X-Amz-Algorithm': 'none' })],
    ['with half a signature', '403 SignatureDoesNotMatch', presigned({ 'X-Amz-Signature': 'aeeed9' })],
  ])('%s: %s', (_, code, request, at) => {
    expect(codeOf(request, at)).toBe(code);
  });
});
