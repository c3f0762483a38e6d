import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newApiKey } from '@loraloom/functions';
import { z } from 'zod';

/** What must stay the same across restarts: the key pair of the embedded S3 and SQS, the pepper, and the development API key. */
const Secrets = z.object({ accessKeyId: z.string(), secretAccessKey: z.string(), pepper: z.string(), apiKey: z.string() });
export type Secrets = z.infer<typeof Secrets>;

/** Reads the secrets of a data folder, or makes them, readable by their owner alone. */
export async function openSecrets(folder: string): Promise<Secrets> {
  const path = join(folder, 'secrets.json');
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept) return Secrets.parse(JSON.parse(kept));
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  const made = {
    accessKeyId: `LOCAL${hex(8).toUpperCase()}`,
    secretAccessKey: hex(20),
    pepper: hex(32),
    apiKey: await newApiKey(),
  };
  await mkdir(folder, { recursive: true });
  await writeFile(path, JSON.stringify(made), { mode: 0o600 });
  return made;
}
