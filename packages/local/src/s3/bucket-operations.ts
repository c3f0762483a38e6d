import { answerXml, type Call, type Operation, receiveXml } from './call.ts';
import { invalidArgument, notImplemented, S3Error } from './error.ts';
import type { Piece } from './files.ts';
import { requireKey } from './objects.ts';
import { type Element, textOf, type Written } from './xml.ts';

const listing = ['prefix', 'delimiter', 'max-keys', 'start-after', 'continuation-token', 'encoding-type', 'fetch-owner'];

export const bucketOperations: Operation[] = [
  { method: 'PUT', on: 'bucket', run: create },
  { method: 'HEAD', on: 'bucket', run: ({ response }) => void response.writeHead(200).end() },
  { method: 'GET', on: 'bucket', needs: ['list-type'], may: listing, run: list },
  { method: 'POST', on: 'bucket', needs: ['delete'], run: removeMany },
];

function create({ objects, bucket, response }: Call): void {
  // Like us-east-1: whoever owns a bucket may create it again.
  objects.createBucket(bucket);
  response.writeHead(200, { location: `/${bucket}` }).end();
}

function list(call: Call): void {
  const { objects, bucket, query } = call;
  if (query.get('list-type') !== '2') throw notImplemented('list-type other than 2');
  const [prefix, delimiter, after] = ['prefix', 'delimiter', 'start-after'].map((name) => query.get(name) ?? '');
  if (prefix === undefined || delimiter === undefined || after === undefined) return;
  const encoding = query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') throw invalidArgument('encoding-type: want url');
  const told = (key: string) => (encoding === 'url' ? encodeURIComponent(key).replaceAll('%2F', '/') : key);

  const maxKeys = query.get('max-keys') ?? '1000';
  if (!/^\d{1,9}$/.test(maxKeys)) throw invalidArgument('max-keys: want 0 to 1000');
  const limit = Math.min(Number(maxKeys), 1000);
  const token = query.get('continuation-token');
  // The first key that sorts behind another is that key with a zero byte at its end.
  const from = token === undefined ? Buffer.from(after === '' ? '' : `${after}\0`) : Buffer.from(token, 'base64url');
  if (token !== undefined && from.length === 0) throw invalidArgument('continuation-token: want one that a listing gave');

  const page = objects.list(bucket, { prefix, delimiter, from, limit });
  const next = limit > 0 ? page.next : undefined;
  answerXml(call, 'ListBucketResult', [
    ['Name', bucket],
    ['Prefix', told(prefix)],
    ...(delimiter === '' ? [] : [['Delimiter', told(delimiter)] satisfies Written]),
    ...(after === '' ? [] : [['StartAfter', told(after)] satisfies Written]),
    ...(encoding === undefined ? [] : [['EncodingType', encoding] satisfies Written]),
    ...(token === undefined ? [] : [['ContinuationToken', token] satisfies Written]),
    ...(next ? [['NextContinuationToken', next.toString('base64url')] satisfies Written] : []),
    ['KeyCount', page.objects.length + page.prefixes.length],
    ['MaxKeys', limit],
    ['IsTruncated', next !== undefined],
    ...page.objects.map(
      ({ key, etag, size, modifiedAt }): Written => [
        'Contents',
        [
          ['Key', told(key)],
          ['LastModified', new Date(modifiedAt).toISOString()],
          ['ETag', `"${etag}"`],
          ['Size', size],
          ['StorageClass', 'STANDARD'],
        ],
      ],
    ),
    ...page.prefixes.map((common): Written => ['CommonPrefixes', [['Prefix', told(common)]]]),
  ]);
}

async function removeMany(call: Call): Promise<void> {
  const { objects, files, bucket } = call;
  const request = await receiveXml(call, 'Delete');
  const quiet = textOf(request, 'Quiet') === 'true';
  const wanted = request.children.filter(({ name }) => name === 'Object');
  if (wanted.length === 0 || wanted.length > 1000) throw new S3Error(400, 'MalformedXML', 'Delete: want 1 to 1000 Objects');

  const results: Written[] = [];
  const removeOne = (object: Element): Piece[] => {
    const key = textOf(object, 'Key') ?? '';
    try {
      requireKey(key);
      if (textOf(object, 'VersionId') !== undefined) throw notImplemented('versions');
      const pieces = objects.remove(bucket, key, { ifMatch: textOf(object, 'ETag') });
      if (!quiet) results.push(['Deleted', [['Key', key]]]);
      return pieces;
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const { code, message } = error;
      results.push([
        'Error',
        [
          ['Key', key],
          ['Code', code],
          ['Message', message],
        ],
      ]);
      return [];
    }
  };
  files.discard(objects.together(() => wanted.flatMap(removeOne)));
  answerXml(call, 'DeleteResult', results);
}
