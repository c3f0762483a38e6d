import { type Prices, pricesSchema } from '@loraloom/jobs';
import { z } from 'zod';

/** The deployment's prices: JSON in the variable PRICES, see docs/batches.md; undefined without it. */
export function pricesFrom(variables: unknown): Prices | undefined {
  const { PRICES } = z
    .object({
      PRICES: z
        .string()
        .transform((text): unknown => JSON.parse(text))
        .pipe(pricesSchema)
        .optional(),
    })
    .parse(variables);
  return PRICES;
}
