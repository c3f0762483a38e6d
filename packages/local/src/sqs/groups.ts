import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';

/**
 * Of every group that waits: its oldest message, and how many of its messages are in flight. Walks from group to group by the
 * index, not through their messages. Those without a group are one as well.
 */
const waitingGroups = `
  WITH RECURSIVE groups (name) AS (
    SELECT (SELECT coalesce(group_id, '') AS g FROM messages WHERE queue = ?1 ORDER BY g LIMIT 1)
    UNION ALL
    SELECT (SELECT coalesce(group_id, '') AS g FROM messages WHERE queue = ?1 AND coalesce(group_id, '') > name ORDER BY g LIMIT 1)
      FROM groups WHERE name IS NOT NULL
  )
  SELECT name,
    (SELECT sequence FROM messages INDEXED BY groups WHERE queue = ?1 AND coalesce(group_id, '') = name AND visible_at <= ?2
      ORDER BY sequence LIMIT 1) AS first,
    (SELECT count(*) FROM messages WHERE queue = ?1 AND coalesce(group_id, '') = name AND visible_at > ?2
      AND receipt IS NOT NULL) AS in_flight
  FROM groups WHERE name IS NOT NULL`;

const rowSchema = z.object({ name: z.string(), first: z.number().nullable(), in_flight: z.number() });

/** Who is next: which group of a queue has waited for its turn the longest. */
export function openGroups(database: DatabaseSync) {
  const select = database.prepare(waitingGroups);
  /** For each queue, when each group was served last, as a count of turns. It need not outlive the process. */
  const served = new Map<string, Map<string, number>>();
  let turns = 0;

  return {
    /**
     * The sequence of the message to deliver next: of the waiting group with the fewest messages in flight, among equals the one
     * that was served longest ago, the oldest message. So a group's burst delays the others by no more than what is in flight
     * already, as fair queues of SQS see to.
     */
    next(queue: string, now: number): number | undefined {
      const servedAt = served.get(queue);
      const waiting = select.all(queue, now).flatMap((row) => {
        const { name, first, in_flight } = rowSchema.parse(row);
        return first === null ? [] : { name, first, rank: [in_flight, servedAt?.get(name) ?? 0, first] };
      });
      const [next] = waiting.sort((a, b) => compare(a.rank, b.rank));
      if (!next) return undefined;
      // The turns of those that do not wait are forgotten.
      const turnOf = (name: string) => (name === next.name ? ++turns : (servedAt?.get(name) ?? 0));
      served.set(queue, new Map(waiting.map(({ name }) => [name, turnOf(name)])));
      return next.first;
    },
  };
}

/** The order of two lists of numbers, the first that differ deciding. */
function compare(a: number[], b: number[]): number {
  return a.map((value, i) => value - (b[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
}
