import type { Bucket } from '@loraloom/jobs';

/** A bucket that remembers what was read: for checking thousands of lines that name the same few models, LoRAs and files. */
export function rememberingBucket(bucket: Bucket): Bucket {
  const heads = new Map<string, ReturnType<Bucket['head']>>();
  const contents = new Map<string, ReturnType<Bucket['getBytes']>>();
  return {
    ...bucket,
    head: (key) => once(heads, key, () => bucket.head(key)),
    getBytes: (key, options) => (options ? bucket.getBytes(key, options) : once(contents, key, () => bucket.getBytes(key))),
  };
}

function once<T>(answers: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const known = answers.get(key);
  if (known) return known;
  const answer = ask();
  answers.set(key, answer);
  answer.catch(() => answers.delete(key));
  return answer;
}
