import { z } from 'zod';

/** What a text may be refused for, the gravest first. */
export const categories = ['sexual_minors', 'self_harm', 'hate', 'sexual', 'violence', 'custom'] as const;
export type Category = (typeof categories)[number];

const optional = z.enum(['self_harm', 'hate', 'sexual', 'violence', 'custom']);
const terms = z.array(z.string().trim().min(2).max(100)).max(5000).default([]);

/** What a deployment may choose. `sexual_minors` is always on: neither `off`, `thresholds` nor `allow` reach it. */
export const policySchema = z.strictObject({
  /** Words and phrases of the deployment's own to refuse, as `custom`; `*` at an end: the word may go on there. */
  deny: terms,
  /** Words and phrases that are fine here: what lies within them does not count. */
  allow: terms,
  off: z.array(optional).default([]),
  /** Scores from which on a text is refused, above 0 up to 1. */
  thresholds: z.partialRecord(optional, z.number().gt(0).max(1)).default({}),
});
export type Policy = z.output<typeof policySchema>;

/** A policy from the environment: JSON, or nothing. @throws ZodError, SyntaxError */
export const parsePolicy = (json: string | undefined): Policy => policySchema.parse(json ? JSON.parse(json) : {});
