import { open } from 'node:fs/promises';
import { z } from 'zod';
const Entry = z.object({ dtype: z.string(), shape: z.array(z.int()), data_offsets: z.tuple([z.int(), z.int()]) });
export async function readHeader(path: string) {
  const f = await open(path);
  try {
    const head = Buffer.alloc(8);
    await f.read(head, 0, 8, 0);
    const n = Number(head.readBigUInt64LE());
    const json = Buffer.alloc(n);
    await f.read(json, 0, n, 8);
    const { __metadata__, ...rest } = z.record(z.string(), z.unknown()).parse(JSON.parse(json.toString()));
    const tensors = new Map<string, { dtype: string; shape: number[]; begin: number; end: number }>();
    for (const [name, value] of Object.entries(rest)) {
      const { dtype, shape, data_offsets: [begin, end] } = Entry.parse(value);
      tensors.set(name, { dtype, shape, begin, end });
    }
    return { metadata: z.record(z.string(), z.string()).parse(__metadata__ ?? {}), tensors, dataOffset: 8 + n };
  } finally { await f.close(); }
}
