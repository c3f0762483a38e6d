import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeFindings, browserPath, type OpenStudio, openStudio, photograph } from './open-studio.ts';

describe.skipIf(!browserPath)('Batch, in a browser', { timeout: 120_000 }, () => {
  let studio: OpenStudio;
  let page: Page;
  beforeAll(async () => {
    studio = await openStudio();
    page = await studio.visit('/batch');
  }, 300_000);
  afterAll(() => studio?.close());

  const drop = (text: string | Buffer) =>
    page
      .getByLabel('Drop a CSV file here')
      .setInputFiles({ name: 'products.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  const check = () => page.getByRole('button', { name: 'Check all rows' }).click();
  const job = () => page.getByRole('article').first();

  it('says of a file or a row what is wrong with it, before anything is made', async () => {
    await drop(Buffer.from([0xd0, 0xc5, 0x2c]));
    await page.getByText('This is no CSV file in UTF-8.').waitFor();
    await drop('sku,name,colour\nA-1,apple,red\nA-2,moon, full,white\n');
    // The local stack has no prices; a server that has them answers so.
    const priced = { estimated_gpu_seconds: 75, estimated_cost: 0.0123, currency: 'USD' };
    await page.route(
      '**/v1/batches',
      async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...(await response.json()), ...priced } });
      },
      { times: 1 },
    );
    await check();
    await page.getByText('1 row must be mended first.').waitFor();
    await page.getByText('1 min 15 sec').waitFor();
    await page.getByText('$0.0123').waitFor();
    expect(await page.getByRole('button', { name: /^Make/ }).count()).toBe(0);
    await page.getByRole('button', { name: 'Remove the table' }).click();
    await drop('sku,name,seed\nA-1,red apple,1\nA-2,"moon, full",two\nA-3,"naked woman, porn",3\n');
    const words = page.getByLabel('What should each picture show?');
    expect(await words.inputValue()).toBe('{{name}}');
    await words.fill(', {{nmae}}');
    await page.getByText('The table has no column nmae.').waitFor();
    await words.fill(', white background');
    await words.press('Home');
    await page.getByRole('button', { name: 'Insert name' }).click();
    await page.getByRole('listitem').filter({ hasText: 'moon, full, white background' }).waitFor();
    await page.getByText('More settings').click();
    await page.getByRole('slider', { name: 'Steps' }).fill('4');
    await check();
    const faults = page.getByRole('region', { name: 'What is wrong with which row' });
    await faults.getByRole('rowheader', { name: '3' }).waitFor();
    expect(await faults.textContent()).toContain('does not make sexual pictures');
    expect((await studio.api.batches.list()).data).toEqual([]);
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'batch-checked');
  });

  it('makes a picture for each row, though the page is loaded again, and hands out what it made', async () => {
    await page.getByRole('button', { name: 'Make 2 pictures' }).click();
    await job().waitFor();
    await page.reload();
    await job().getByText('Done').waitFor();
    const [batch] = (await studio.api.batches.list()).data;
    expect(batch).toMatchObject({
      request_counts: { total: 3, succeeded: 2, failed: 1 },
      request: { template: { custom_id: '{{sku}}', prompt: '{{name}}, white background', steps: 4, width: 128 } },
    });
    const [zip] = await Promise.all([page.waitForEvent('download'), job().getByRole('button', { name: 'zip' }).click()]);
    const bytes = await readFile(await zip.path());
    expect(['A-1.png', 'A-2.png', 'A-3.png'].map((name) => bytes.includes(name))).toEqual([true, true, false]);
    const [list] = await Promise.all([
      page.waitForEvent('download'),
      job().getByRole('button', { name: 'List of errors' }).click(),
    ]);
    expect(JSON.parse(await readFile(await list.path(), 'utf8'))).toMatchObject({
      custom_id: 'A-3',
      error: { code: 'content_refused' },
    });
    expect(await axeFindings(page)).toEqual([]);
    await job().scrollIntoViewIfNeeded();
    await photograph(page, 'batch');
  });

  it('tries again what failed, cancels what goes on after asking, and asks nobody else for anything', async () => {
    await job().getByRole('button', { name: 'Try 1 row again' }).click();
    await page.getByText('Failed rows once more').waitFor();
    await expect.poll(async () => (await studio.api.batches.list()).data[0]?.status, { timeout: 60_000 }).toBe('succeeded');
    await page.getByRole('button', { name: 'Remove the table' }).click();
    await page.getByLabel('Or paste rows').fill(`name\n${'moon\n'.repeat(40)}`);
    await page.getByRole('button', { name: 'Use these rows' }).click();
    await photograph(page, 'batch-pasted');
    await check();
    await page.getByRole('button', { name: 'Make 40 pictures' }).click();
    await job().getByText('of 40 rows').waitFor();
    await job().getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Let it go on' }).click();
    await photograph(page, 'batch-running');
    await job().getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click();
    await job().getByText('Canceled').waitFor();
    expect((await studio.api.batches.list()).data[0]?.request_counts.canceled).toBeGreaterThan(0);
    expect([studio.thrown, studio.strangers]).toEqual([[], []]);
  });
});
