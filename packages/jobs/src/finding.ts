import { z } from 'zod';

/** Something about a training that its caller should know before a GPU is spent on it. */
export const findingSchema = z
  .object({
    code: z.string().meta({ description: 'Stable, for programs', example: 'duplicate_picture' }),
    severity: z.enum(['error', 'warning']).meta({ description: 'An error stops the training before it is queued' }),
    file: z
      .object({ index: z.int().nonnegative().meta({ description: 'Its place in files' }), name: z.string() })
      .nullable()
      .meta({ description: 'The picture that it is about; null: the training as a whole' }),
    message: z.string().meta({ example: 'the same picture as apple.png' }),
    what_to_do: z.string().meta({ example: 'leave one of them out' }),
  })
  .meta({ id: 'Finding' });
export type Finding = z.infer<typeof findingSchema>;

/** How many findings of one kind are told one by one. */
const most = 20;

/** Findings with the errors first; of many of a kind the first ones, and how many more there are. */
export function summarize(findings: readonly Finding[]): Finding[] {
  const kinds = Map.groupBy(findings, ({ code, severity }) => `${severity} ${code}`);
  const shown = [...kinds.values()].flatMap((kind) => {
    const [first] = kind;
    if (!first || kind.length <= most) return kind;
    return [...kind.slice(0, most), { ...first, file: null, message: `and the same of ${kind.length - most} more` }];
  });
  return [...shown.filter(({ severity }) => severity === 'error'), ...shown.filter(({ severity }) => severity === 'warning')];
}
