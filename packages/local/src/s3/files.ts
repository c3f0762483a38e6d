import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A file that holds some of an object's bytes. `name` is random and has nothing to do with the object's key. */
export type Piece = { name: string; size: number };

/**
 * The bytes of objects, in files of one folder.
 *
 * A file is written under its final name and counts for nothing until a row in the database names it: that row is what a
 * rename is elsewhere. So a `kill -9` leaves at worst a file without a row, which `sweep` removes at the next start.
 */
export type Files = ReturnType<typeof openFiles>;

export function openFiles(folder: string) {
  mkdirSync(folder, { recursive: true });
  const pathOf = (name: string) => join(folder, name);
  /** How many readers a file has, and whether it goes with the last of them. */
  const readers = new Map<string, number>();
  const doomed = new Set<string>();

  let syncing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  /** So that the names of new files, too, are on the disk. Who asks while it is being done shares the next time. */
  function syncFolder(): Promise<void> {
    next ??= syncing
      .catch(() => undefined)
      .then(async () => {
        next = undefined;
        const handle = await open(folder);
        await handle.sync().finally(() => handle.close());
      });
    syncing = next;
    return next;
  }

  return {
    /** Writes a new file. When it resolves, the bytes are on the disk; when it rejects, the file is gone. `md5` in hex. */
    async write(bytes: AsyncIterable<Uint8Array>): Promise<Piece & { md5: string }> {
      const name = randomBytes(16).toString('hex');
      const md5 = createHash('md5');
      let size = 0;
      async function* counted() {
        for await (const piece of bytes) {
          size += piece.length;
          md5.update(piece);
          yield piece;
        }
      }
      const handle = await open(pathOf(name), 'wx');
      try {
        await handle.writeFile(counted());
        await handle.sync();
        await handle.close();
        await syncFolder();
      } catch (error) {
        await handle.close();
        unlinkSync(pathOf(name));
        throw error;
      }
      return { name, size, md5: md5.digest('hex') };
    },

    /** The same bytes under new names, without copying them. */
    async duplicate(pieces: Piece[]): Promise<Piece[]> {
      const copies = pieces.map(({ name, size }) => {
        const copy = randomBytes(16).toString('hex');
        linkSync(pathOf(name), pathOf(copy));
        return { name: copy, size };
      });
      await syncFolder();
      return copies;
    },

    /**
     * Sends bytes `start` to `end` (exclusive) of the pieces laid end to end. The pieces must be there when this is
     * called; `discard` leaves them until it is done.
     */
    async send(pieces: Piece[], start: number, end: number, into: Writable): Promise<void> {
      for (const { name } of pieces) readers.set(name, (readers.get(name) ?? 0) + 1);
      async function* bytes() {
        let offset = 0;
        for (const { name, size } of pieces) {
          const from = Math.max(start - offset, 0);
          const to = Math.min(end - offset, size);
          offset += size;
          if (from >= to) continue;
          const handle = await open(pathOf(name));
          yield* handle.createReadStream({ start: from, end: to - 1, highWaterMark: 256 * 1024 });
        }
      }
      try {
        await pipeline(bytes(), into);
      } finally {
        for (const { name } of pieces) {
          const left = (readers.get(name) ?? 1) - 1;
          if (left > 0) readers.set(name, left);
          else readers.delete(name);
          if (left === 0 && doomed.delete(name)) unlinkSync(pathOf(name));
        }
      }
    },

    /** Removes files, those with readers as soon as the last one is done. */
    discard(pieces: Pick<Piece, 'name'>[]): void {
      for (const { name } of pieces) {
        if (readers.has(name)) doomed.add(name);
        else unlinkSync(pathOf(name));
      }
    },

    /** Removes every file but those of these names. Only before anything is written. */
    sweep(names: Set<string>): void {
      for (const name of readdirSync(folder)) {
        if (!names.has(name)) unlinkSync(pathOf(name));
      }
    },
  };
}
