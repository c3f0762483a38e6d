import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { aliases, settingsSchema } from '@loraloom/jobs/training-file';
import { expect, test } from 'vitest';
import { z } from 'zod';

const page = readFileSync(fileURLToPath(new URL('../../../docs/training.md', import.meta.url)), 'utf8');
const { properties, required } = z
  .object({
    properties: z.record(
      z.string(),
      z.looseObject({
        default: z.unknown().optional(),
        description: z.string().optional(),
        enum: z.array(z.string()).optional(),
      }),
    ),
    required: z.array(z.string()),
  })
  .parse(z.toJSONSchema(settingsSchema, { io: 'input' }));

test.each(settingsSchema.keyof().options)('docs/training.md says what %s is, what else it is called, and its default', (key) => {
  const setting = properties[key];
  const names = [key, ...(aliases[key] ?? [])].map((name) => `\`${name}\``).join(', ');
  const usual = required.includes(key)
    ? 'needed'
    : setting?.default === undefined
      ? ''
      : `\`${JSON.stringify(setting.default)}\``;
  const meaning = [setting?.enum?.map((value) => `\`${value}\``).join(', '), setting?.description].filter(Boolean).join('. ');
  expect(page).toContain(`| ${names} | ${usual} | ${meaning} |\n`);
});
