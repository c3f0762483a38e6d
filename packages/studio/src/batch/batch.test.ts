import type { Model } from '@loraloom/client';
import { expect, it } from 'vitest';
import { batchOf, readPlan, secondsLeft, withTable } from './plan.ts';
import { filled, missingColumns, readTable } from './table.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

it.each([
  ['sku,name\nA1,"Mug, ""big"""\nA2,Lamp\n', 'Mug, "big"'],
  ['\ufeffsku;name\r\nA1;"two\nlines"\r\n\r\nA2;x', 'two\nlines'],
  ['sku\tname\nA1\t杯子\nA2\tx', '杯子'],
])('reads %j', async (text, name) =>
  expect(await readTable(bytes(text))).toMatchObject({
    columns: ['sku', 'name'],
    rows: 2,
    sample: [{ sku: 'A1', name }, { sku: 'A2' }],
  }),
);

it('knows which columns can name pictures', async () => {
  const { naming } = await readTable(bytes(`id,same,gap,long\n1,a,x,${'y'.repeat(65)}\n2,a,,z`));
  expect(naming).toEqual(['id']);
});

it.each([
  ['no_lines', bytes('sku,name\n')],
  ['no_lines', bytes('')],
  ['not_csv', new Uint8Array([0xd0, 0xc5, 0xcf, 0xa2])],
  ['not_csv', bytes('PK\u0003\u0004\0\0')],
  ['too_many_lines', bytes(`a\n${'1\n'.repeat(50_001)}`)],
  ['too_large', new Uint8Array(20 * 2 ** 20 + 1)],
])('refuses with %s', async (code, file) => expect(readTable(file)).rejects.toMatchObject({ code }));

it('fills a text in as the API does, and names the columns that are not there', () => {
  expect(filled('{{name}}, {{ colour }} {{no}}{', { name: '$& Mug', colour: 'red' })).toBe('$& Mug, red {');
  expect(missingColumns('{{name}} {{ nam }} {{nam}}', ['name'])).toEqual(['nam']);
});

const table = { name: 'p.csv', fileId: 'file_1', columns: ['sku', 'name'], naming: ['sku'], rows: 2, sample: [] };
const model = { name: 'emoji', resolution: 128 } as Model;

it('asks for a template and the file', () => {
  const plan = withTable(readPlan({ draft: { prompt: ' ', steps: 4 }, naming: 7 }), table);
  expect(plan.draft.prompt).toBe('{{name}}');
  expect(batchOf(plan, table, model, [])).toEqual({
    csv_file_id: 'file_1',
    template: {
      custom_id: '{{sku}}',
      model: 'emoji',
      prompt: '{{name}}',
      negative_prompt: '',
      n: 1,
      width: 128,
      height: 128,
      loras: [],
      steps: 4,
    },
  });
  // Words of one's own stay, and a column that names nothing any more is not named.
  const mine = readPlan({ draft: { prompt: 'a {{sku}}' }, naming: 'gone' });
  expect(withTable(mine, table).draft.prompt).toBe('a {{sku}}');
  expect(batchOf(mine, table, model, []).template).not.toHaveProperty('custom_id');
});

it('tells the time left from what has ended', () => {
  const request_counts = { total: 10, queued: 4, running: 2, succeeded: 3, failed: 1, canceled: 0 };
  const batch = { status: 'running', started_at: '2026-11-25T10:00:00.000Z', request_counts } as const;
  expect(secondsLeft(batch, Date.parse('2026-11-25T10:00:20.000Z'))).toBe(30);
  expect(secondsLeft({ ...batch, request_counts: { ...request_counts, succeeded: 0, failed: 0 } }, 0)).toBe(null);
  expect(secondsLeft({ ...batch, status: 'validating' }, 0)).toBe(null);
});
