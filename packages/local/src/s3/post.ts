import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Credentials, verifyPolicySignature } from '../signature.ts';
import { openFormFile } from './body.ts';
import { answerXml, headersToKeep, putObject, type Storage } from './call.ts';
import { notImplemented, S3Error } from './error.ts';
import { readForm } from './form.ts';
import { requireKey } from './objects.ts';

const policySchema = z.object({
  expiration: z.iso.datetime(),
  conditions: z.array(
    z.union([
      z.tuple([z.enum(['eq', 'starts-with']), z.string().startsWith('$'), z.string()]),
      z.tuple([z.literal('content-length-range'), z.coerce.number(), z.coerce.number()]),
      z.record(z.string(), z.string()),
    ]),
  ),
});
type Policy = z.infer<typeof policySchema>;

/** Fields that a policy need not speak of: it cannot hold its own signature. */
const free = /^(policy|x-amz-signature|file|x-ignore-.*)$/;

/**
 * Stores the file of a browser's form, if the policy in the form, signed by us, allows it.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */
export async function receivePost(
  exchange: { request: IncomingMessage; response: ServerResponse },
  storage: Storage,
  bucket: string,
  credentials: Credentials,
): Promise<void> {
  const { request, response } = exchange;
  const { fields, filename, file } = await readForm(request.headers['content-type'], request);
  const field = (name: string) => fields.get(name);
  const required = (name: string) => {
    const value = field(name);
    if (value === undefined) throw new S3Error(403, 'AccessDenied', `the form has no field ${name}`);
    return value;
  };
  const policyText = required('policy');
  verifyPolicySignature(
    {
      policy: policyText,
      algorithm: required('x-amz-algorithm'),
      credential: required('x-amz-credential'),
      date: required('x-amz-date'),
      signature: required('x-amz-signature'),
    },
    credentials,
  );
  const key = required('key').replaceAll('$' + '{filename}', filename);
  requireKey(key);
  fields.set('key', key).set('bucket', bucket);
  const { smallest, largest } = requirePolicy(readPolicy(policyText), fields);
  storage.objects.requireBucket(bucket);
  if (field('success_action_redirect') !== undefined) throw notImplemented('success_action_redirect');

  async function* sized() {
    let size = 0;
    for await (const bytes of file) {
      size += bytes.length;
      if (size > largest)
        throw new S3Error(400, 'EntityTooLarge', `Your proposed upload exceeds the maximum allowed size: ${largest}`);
      yield bytes;
    }
    if (size < smallest)
      throw new S3Error(400, 'EntityTooSmall', `Your proposed upload has ${size} bytes; want at least ${smallest}`);
  }
  const { bytes, sums } = openFormFile(sized(), field);
  const { name, size, md5 } = await storage.files.write(bytes);
  const object = { etag: md5, headers: headersToKeep(fields.keys(), field), sums, pieces: [{ name, size }] };
  await putObject(storage, { bucket, key }, object, {});

  const location = `http://${request.headers.host}/${bucket}/${encodeURIComponent(key)}`;
  response.setHeader('etag', `"${md5}"`).setHeader('location', location);
  const status = field('success_action_status');
  if (status === '201') {
    answerXml(
      exchange,
      'PostResponse',
      [
        ['Location', location],
        ['Bucket', bucket],
        ['Key', key],
        ['ETag', `"${md5}"`],
      ],
      201,
    );
  } else response.writeHead(status === '200' ? 200 : 204).end();
}

function readPolicy(text: string): Policy {
  try {
    return policySchema.parse(JSON.parse(Buffer.from(text, 'base64').toString()));
  } catch (error) {
    throw new S3Error(400, 'InvalidPolicyDocument', `Invalid Policy: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * Holds the form against the policy.
 * @returns how many bytes the file may have
 * @throws S3Error if the policy has expired, a condition does not hold, or a field is in no condition
 */
function requirePolicy({ expiration, conditions }: Policy, fields: Map<string, string>) {
  const denied = (why: string) => new S3Error(403, 'AccessDenied', `Invalid according to Policy: ${why}`);
  if (Date.parse(expiration) < Date.now()) throw denied('Policy expired.');
  const size = { smallest: 0, largest: 5 * 1024 ** 3 };
  const covered = new Set<string>();
  const hold = (name: string, holds: (value: string) => boolean) => {
    covered.add(name.toLowerCase());
    if (!holds(fields.get(name.toLowerCase()) ?? '')) throw denied(`Policy Condition failed: ${name}`);
  };
  for (const condition of conditions) {
    if (!Array.isArray(condition)) {
      for (const [name, wanted] of Object.entries(condition)) hold(name, (value) => value === wanted);
    } else if (condition[0] === 'content-length-range') {
      size.smallest = Math.max(size.smallest, condition[1]);
      size.largest = Math.min(size.largest, condition[2]);
    } else {
      const [kind, name, wanted] = condition;
      hold(name.slice(1), (value) => (kind === 'eq' ? value === wanted : value.startsWith(wanted)));
    }
  }
  const extra = [...fields.keys()].filter((name) => !covered.has(name) && !free.test(name));
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`);
  return size;
}
