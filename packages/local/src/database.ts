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
