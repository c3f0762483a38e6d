import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { gatherWrites, transaction } from '../database.ts';
import { type Conditions, requireWritable } from './conditions.ts';
import { invalidArgument, S3Error } from './error.ts';
import type { Piece } from './files.ts';

/**
 * Keys are bytes: S3 lists in the order of their UTF-8, which is how SQLite compares blobs. `pieces` are JSON: the files
 * that, laid end to end, are the object.
 */
export const objectsSchema = `
  CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created_at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_at INTEGER NOT NULL,
    headers TEXT NOT NULL, sums TEXT NOT NULL, pieces TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID`;

const json = z.string().transform((text): unknown => JSON.parse(text));
export const piecesSchema = json.pipe(z.array(z.object({ name: z.string(), size: z.number() })));
export const textsSchema = json.pipe(z.record(z.string(), z.string()));

const rowSchema = z.object({
  key: z.instanceof(Uint8Array).transform((bytes) => Buffer.from(bytes).toString()),
  size: z.number(),
  etag: z.string(),
  modified_at: z.number(),
  headers: textsSchema,
  sums: textsSchema,
  pieces: piecesSchema,
});

/**
 * `etag` without quotes; `headers` go out with the object as they came in (content-type, x-amz-meta-…); `sums` are the
 * checksums it was uploaded with, by algorithm, in base64.
 */
export type NewObject = { etag: string; headers: Record<string, string>; sums: Record<string, string>; pieces: Piece[] };
export type StoredObject = NewObject & { key: string; size: number; modifiedAt: number };

export type ListOptions = { prefix: string; delimiter: string; from: Buffer; limit: number };
/** `next`: where the following page begins; undefined after the last. */
export type ObjectPage = { objects: StoredObject[]; prefixes: string[]; next: Buffer | undefined };

/** Which objects there are. Every method is one step: nothing can come between its reading and its writing. */
export type Objects = ReturnType<typeof openObjects>;

export function openObjects(database: DatabaseSync) {
  const insertBucket = database.prepare('INSERT OR IGNORE INTO buckets VALUES (?, ?)');
  const selectBucket = database.prepare('SELECT 1 FROM buckets WHERE name = ?');
  const columns = 'key, size, etag, modified_at, headers, sums, pieces';
  const select = database.prepare(`SELECT ${columns} FROM objects WHERE bucket = ? AND key = ?`);
  const selectFrom = database.prepare(`SELECT ${columns} FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key`);
  const replace = database.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM objects WHERE bucket = ? AND key = ?');

  function find(bucket: string, key: string): StoredObject | undefined {
    const row = select.get(bucket, Buffer.from(key));
    return row && objectOf(row);
  }

  return {
    find,

    /** @returns whether it is new */
    createBucket(name: string): boolean {
      if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
        throw new S3Error(400, 'InvalidBucketName', `bucket name: want 3 to 63 of a-z 0-9 . -, not '${name}'`);
      }
      return insertBucket.run(name, Date.now()).changes > 0;
    },

    requireBucket(name: string): void {
      if (!selectBucket.get(name)) throw new S3Error(404, 'NoSuchBucket', `The specified bucket does not exist: ${name}`);
    },

    /**
     * Writes an object.
     * @returns the pieces of the one it replaced, which are nobody's now
     * @throws S3Error if the conditions do not hold
     */
    put(bucket: string, key: string, object: NewObject, conditions: Conditions): Piece[] {
      const current = find(bucket, key);
      requireWritable(key, current, conditions);
      const { etag, headers, sums, pieces } = object;
      const size = pieces.reduce((sum, piece) => sum + piece.size, 0);
      const [headersText, sumsText, piecesText] = [headers, sums, pieces].map((value) => JSON.stringify(value));
      replace.run(bucket, Buffer.from(key), size, etag, Date.now(), headersText ?? '', sumsText ?? '', piecesText ?? '');
      return current?.pieces ?? [];
    },

    /** Removes an object, if there is one. @returns the pieces it had */
    remove(bucket: string, key: string, conditions: Conditions): Piece[] {
      const current = find(bucket, key);
      requireWritable(key, current, conditions);
      remove.run(bucket, Buffer.from(key));
      return current?.pieces ?? [];
    },

    /**
     * A page of the objects whose keys begin with `prefix` and are not before `from`. With a delimiter, those that have
     * it behind the prefix are told as one common prefix; it counts as one of `limit`.
     */
    list(bucket: string, { prefix, delimiter, from, limit }: ListOptions): ObjectPage {
      const page: ObjectPage = { objects: [], prefixes: [], next: undefined };
      const first = Buffer.from(prefix);
      const end = successor(first);
      let at: Buffer | undefined = Buffer.compare(from, first) > 0 ? from : first;
      while (at) {
        const begin: Buffer = at;
        at = undefined;
        for (const row of selectFrom.iterate(bucket, begin, end)) {
          const object = objectOf(row);
          if (page.objects.length + page.prefixes.length === limit) return { ...page, next: Buffer.from(object.key) };
          const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
          if (cut < 0) {
            page.objects.push(object);
            continue;
          }
          // However many keys a common prefix has, it is stepped over at once.
          const common = object.key.slice(0, cut + delimiter.length);
          page.prefixes.push(common);
          at = successor(Buffer.from(common));
          break;
        }
      }
      return page;
    },

    /** Does one thing, together on the disk with what others do at the same time. */
    write: gatherWrites(database),

    /** Does several things as one: on the disk all at once, or not at all. */
    together: <T>(work: () => T): T => transaction(database, work),

    /** The names of all files that objects are made of. */
    pieces(): Piece[] {
      return database
        .prepare('SELECT pieces FROM objects')
        .all()
        .flatMap((row) => piecesSchema.parse(row.pieces));
    },
  };
}

function objectOf(row: unknown): StoredObject {
  const { modified_at, ...object } = rowSchema.parse(row);
  return { ...object, modifiedAt: modified_at };
}

/** The first bytes behind all that begin with these. UTF-8 has no 0xff, so the last byte can always be counted up. */
function successor(bytes: Buffer): Buffer {
  if (bytes.length === 0) return Buffer.from([0xff]);
  const next = Buffer.from(bytes);
  next[next.length - 1] = (next[next.length - 1] ?? 0) + 1;
  return next;
}

const longestKey = 1024;

/**
 * A key as S3 takes it. Dots and slashes mean nothing: no file is named after a key.
 * @throws S3Error if it is too long, or has characters that no XML listing could tell
 */
export function requireKey(key: string): void {
  if (Buffer.byteLength(key) > longestKey)
    throw new S3Error(400, 'KeyTooLongError', `Your key is too long: at most ${longestKey} bytes`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(key)) throw invalidArgument('key: want no control characters');
}
