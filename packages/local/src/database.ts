import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Opens a SQLite file (folders are made) whose tables `schema` creates where they are missing.
 *
 * - WAL: one append per commit. synchronous=FULL: that append is on the disk before we acknowledge anything, so an
 *   acknowledged write outlives a power cut and not only a `kill -9` (for which NORMAL would do). It costs one fsync a
 *   commit, where storing an object needs one for its bytes anyway.
 * - An exclusive lock: a second server on the same folder would sweep away files that this one is still writing. The
 *   operating system drops the lock with the process, however it ends.
 * @throws Error if another process has it open, or if it was written by another version of this program
 */
export function openDatabase(file: string, schema: string, version: number): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    const found = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    if (found !== 0 && found !== version) {
      throw new Error(`${file} has layout ${found}, want ${version}: move it away to begin anew`);
    }
    database.exec(`BEGIN IMMEDIATE; ${schema}; PRAGMA user_version = ${version}; COMMIT;`);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && error.message === 'database is locked') {
      throw new Error(`${file} is in use by another process`, { cause: error });
    }
    throw error;
  }
}

/**
 * Gathers writes that come in the same round of the event loop, and puts them on the disk together: a commit waits for the disk, and
 * so does everything behind it. What throws is rejected by itself, and has changed nothing.
 * @returns runs `work`, which must not await, and resolves once it is on the disk
 */
export function gatherWrites(database: DatabaseSync): <T>(work: () => T) => Promise<T> {
  let waiting: { run: () => () => void; fail: (error: unknown) => void }[] = [];
  const commit = () => {
    const together = waiting;
    waiting = [];
    try {
      const done = transaction(database, () => together.map(({ run }) => run()));
      for (const resolve of done) resolve();
    } catch (error) {
      for (const { fail } of together) fail(error);
    }
  };
  return (work) =>
    new Promise((resolve, reject) => {
      const run = () => {
        database.exec('SAVEPOINT one');
        try {
          const result = work();
          database.exec('RELEASE one');
          return () => resolve(result);
        } catch (error) {
          database.exec('ROLLBACK TO one; RELEASE one');
          return () => reject(error);
        }
      };
      if (waiting.push({ run, fail: reject }) === 1) setImmediate(commit);
    });
}

/** Runs `work` as one transaction: all of its writes or none. It must not await. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}
