import { z } from 'zod';

/** Why a text or a picture was refused; every door that refuses says it in these words. */
export const refusalSchema = z
  .object({
    category: z.enum(['sexual_minors', 'self_harm', 'hate', 'sexual', 'violence', 'custom']),
    score: z.number().min(0).max(1).meta({ description: 'How sure the moderation is', example: 0.92 }),
    threshold: z.number().min(0).max(1).meta({ description: 'The score from which on it refuses', example: 0.7 }),
    stage: z
      .enum(['prompt', 'negative_prompt', 'caption', 'file_name', 'training_picture', 'start_picture', 'output_picture'])
      .meta({ description: 'What was looked at' }),
  })
  .meta({ id: 'Refusal' });
export type Refusal = z.infer<typeof refusalSchema>;
