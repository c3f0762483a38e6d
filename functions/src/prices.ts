import { type Prices, pricesSchema } from '@loraloom/jobs';
import { z } from 'zod';

/** The deployment's prices: JSON in the variable PRICES, see docs/batches.md; undefined without it. */
export function pricesFrom(environment: Record<string, string | undefined>): Prices | undefined {
  const { PRICES } = z
    .object({
      PRICES: z
        .string()
        .transform((text): unknown => JSON.parse(text))
        .pipe(pricesSchema)
        .optional(),
    })
    .parse({ PRICES: environment.PRICES || undefined });
  return PRICES;
}
