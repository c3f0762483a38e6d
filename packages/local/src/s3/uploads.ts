import { createHash, randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { transaction } from '../database.ts';
import type { Conditions } from './conditions.ts';
import { S3Error } from './error.ts';
import type { Piece } from './files.ts';
import { type Objects, textsSchema } from './objects.ts';

export const uploadsSchema = `
  CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, headers TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    PRIMARY KEY (upload, number)
  ) STRICT, WITHOUT ROWID`;

const uploadSchema = z.object({ id: z.string(), headers: textsSchema });
const partSchema = z.object({ number: z.number(), name: z.string(), size: z.number(), etag: z.string() });

/** S3's smallest part that is not the last. */
const smallestPart = 5 * 1024 ** 2;

/** Which upload is meant: an id alone is not enough, a signature is for a bucket and a key. */
export type UploadName = { bucket: string; key: string; uploadId: string };

/** Objects that come in parts, each of which stays the file it came as: completing an upload copies nothing. */
export type Uploads = ReturnType<typeof openUploads>;

export function openUploads(database: DatabaseSync, objects: Objects) {
  const insert = database.prepare('INSERT INTO uploads VALUES (?, ?, ?, ?)');
  const select = database.prepare('SELECT id, headers FROM uploads WHERE id = ? AND bucket = ? AND key = ?');
  const remove = database.prepare('DELETE FROM uploads WHERE id = ?');
  const replacePart = database.prepare('INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)');
  const selectParts = database.prepare('SELECT number, name, size, etag FROM parts WHERE upload = ? ORDER BY number');
  const removeParts = database.prepare('DELETE FROM parts WHERE upload = ?');

  function find({ bucket, key, uploadId }: UploadName) {
    const row = select.get(uploadId, bucket, key);
    if (!row) throw new S3Error(404, 'NoSuchUpload', `The specified upload does not exist: ${uploadId}`);
    return uploadSchema.parse(row);
  }
  const partsOf = (uploadId: string) => z.array(partSchema).parse(selectParts.all(uploadId));

  return {
    /** @throws S3Error if there is no such upload */
    require: (upload: UploadName): void => void find(upload),

    /** @param headers what the object will have, see NewObject */
    create(bucket: string, key: string, headers: Record<string, string>): string {
      const id = randomBytes(16).toString('hex');
      insert.run(id, bucket, key, JSON.stringify(headers));
      return id;
    },

    /** @returns the piece that this part had before, which is nobody's now */
    putPart(upload: UploadName, number: number, { name, size, md5 }: Piece & { md5: string }): Piece[] {
      const { id } = find(upload);
      const before = partsOf(id).filter((part) => part.number === number);
      replacePart.run(id, number, name, size, md5);
      return before;
    },

    /**
     * Makes the object of these parts, in ascending order.
     * @returns its ETag and the pieces that are nobody's now: of the object it replaced and of parts that were left out
     * @throws S3Error if a part is missing, another than its uploader believes, or too small; if the conditions do not hold
     */
    complete(upload: UploadName, wanted: { number: number; etag: string }[], conditions: Conditions) {
      return transaction(database, () => {
        const { id, headers } = find(upload);
        const parts = new Map(partsOf(id).map((part) => [part.number, part]));
        const used = wanted.map(({ number, etag }, index) => {
          if (index > 0 && number <= (wanted[index - 1]?.number ?? 0)) {
            throw new S3Error(400, 'InvalidPartOrder', 'The list of parts was not in ascending order');
          }
          const part = parts.get(number);
          if (part?.etag !== etag) throw new S3Error(400, 'InvalidPart', `part ${number} was not uploaded with this ETag`);
          if (part.size < smallestPart && index < wanted.length - 1) {
            throw new S3Error(400, 'EntityTooSmall', `part ${number} has ${part.size} bytes; want at least ${smallestPart}`);
          }
          parts.delete(number);
          return part;
        });
        const md5 = createHash('md5');
        for (const part of used) md5.update(part.etag, 'hex');
        const etag = `${md5.digest('hex')}-${used.length}`;
        const pieces = used.map(({ name, size }) => ({ name, size }));
        const replaced = objects.put(upload.bucket, upload.key, { etag, headers, sums: {}, pieces }, conditions);
        removeParts.run(id);
        remove.run(id);
        return { etag, discarded: [...replaced, ...parts.values()] };
      });
    },

    /** @returns the pieces its parts had, which are nobody's now */
    abort(upload: UploadName): Piece[] {
      return transaction(database, () => {
        const { id } = find(upload);
        const parts = partsOf(id);
        removeParts.run(id);
        remove.run(id);
        return parts;
      });
    },

    /** The names of all files that parts are in. */
    pieces(): Pick<Piece, 'name'>[] {
      return z.array(z.object({ name: z.string() })).parse(database.prepare('SELECT name FROM parts').all());
    },
  };
}
