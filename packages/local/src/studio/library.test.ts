import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { styleFolder } from '@loraloom/emoji-base';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeFindings, browserPath, type OpenStudio, openStudio, photograph } from './open-studio.ts';

describe.skipIf(!browserPath)('Library and Usage, in a browser', { timeout: 120_000 }, () => {
  let studio: OpenStudio;
  let page: Page;
  /** A LoRA as people have it lying about. */
  let file: Buffer;

  beforeAll(async () => {
    studio = await openStudio();
    const { api } = studio;
    const files = [{ picture: await readFile(join(styleFolder, 'fox.png')), name: 'fox.png', caption: 'fox' }];
    for (const seed of [1, 2]) {
      const asked = await api.trainings.create({ model: 'emoji', name: 'ink', files, seed, steps: 1, rank: 2, batch_size: 1 });
      expect((await api.trainings.wait(asked)).status).toBe('succeeded');
    }
    file = Buffer.from(await (await api.loras.download('ink')).arrayBuffer());
    page = await studio.visit('/library');
  }, 300_000);
  afterAll(() => studio?.close());

  const lora = (name: string) => studio.api.loras.get(name);
  const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 30_000 });

  it('shows the styles, and says what a file is that is none', async () => {
    await page.getByRole('link', { name: 'ink' }).waitFor();
    const choose = page.getByLabel('Drop a LoRA file');
    await choose.setInputFiles({ name: 'notes.safetensors', mimeType: '', buffer: Buffer.from('not a LoRA at all') });
    await page.getByText('It cannot be imported').waitFor();
    await page.getByRole('button', { name: 'Put it away' }).click();
    await choose.waitFor({ state: 'attached' });
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'library');
  });

  it('looks at a file that is one, and imports it, though the line breaks on its way', async () => {
    let broken = 0;
    await page.route(/\/content\?/, (route) =>
      route.request().method() === 'PUT' && broken++ === 0 ? route.abort('connectionreset') : route.continue(),
    );
    await page.getByLabel('Drop a LoRA file').setInputFiles({ name: 'Brush Strokes.safetensors', mimeType: '', buffer: file });
    const report = page.getByRole('region', { name: 'What this file is' });
    await report.getByText('sd1').waitFor();
    expect(broken).toBe(2);
    expect(await report.getByLabel('Name').inputValue()).toBe('brush-strokes');
    await report.getByLabel('Trigger words').fill('brush, stroke');
    await report.getByLabel('Licence').fill('CC0-1.0');
    await photograph(page, 'library-import');
    await report.getByRole('button', { name: 'Import it' }).click();
    await page.getByRole('heading', { name: 'brush-strokes' }).waitFor();
    expect(await lora('brush-strokes')).toMatchObject({ trigger_words: ['brush', 'stroke'], license: 'CC0-1.0', rank: 2 });
  });

  it('goes back to an earlier version, gives it a cover, describes, shares and unshares it', async () => {
    const newest = await lora('ink');
    await page.goto(`${studio.stack.url}/#/library/ink`);
    const versions = page.getByRole('region', { name: 'Versions' });
    await versions.getByRole('button', { name: 'Use this one' }).click();
    await eventually(async () => (await lora('ink')).lora_id).not.toBe(newest.lora_id);

    await page.getByLabel('Drop a picture here').setInputFiles(join(styleFolder, 'fox.png'));
    await eventually(async () => (await lora('ink')).cover_url).not.toBeNull();
    await page.getByLabel('Trigger words').fill('ink drawing');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved').waitFor();
    await page.getByLabel('Name of the other’s account').fill('partner');
    await page.getByRole('button', { name: 'Share', exact: true }).click();
    await page.getByRole('button', { name: 'Share no longer with partner' }).waitFor();
    expect(await lora('ink')).toMatchObject({ trigger_words: ['ink drawing'], shared_with: ['partner'] });
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'library-style');
    await page.getByRole('button', { name: 'Share no longer with partner' }).click();
    await eventually(async () => (await lora('ink')).shared_with).toEqual([]);
  });

  it('brings a style along to Create', async () => {
    await page.getByRole('link', { name: 'Use it' }).click();
    await page.getByRole('button', { name: 'ink', exact: true, pressed: true }).waitFor();
    expect(new URL(page.url()).hash).toBe('#/create');
  });

  it('deletes a style, after asking', async () => {
    await page.goto(`${studio.stack.url}/#/library/brush-strokes`);
    await page.getByRole('button', { name: 'Delete this style' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
    expect((await lora('brush-strokes')).name).toBe('brush-strokes');
    await page.getByRole('button', { name: 'Delete this style' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('heading', { name: 'Your styles' }).waitFor();
    await expect(lora('brush-strokes')).rejects.toMatchObject({ status: 410 });
    // An address of before says so, too.
    await page.goto(`${studio.stack.url}/#/library/brush-strokes`);
    await page.getByText('It was deleted.').waitFor();
  });

  it('shows what was used, makes a key that works, and revokes it', async () => {
    await page.goto(`${studio.stack.url}/#/usage`);
    await page.getByRole('progressbar', { name: 'Training steps' }).waitFor();
    const steps = (await studio.api.usage()).used.training_steps;
    expect(await page.getByRole('progressbar', { name: 'Training steps' }).getAttribute('value')).toBe(`${steps}`);
    await page.getByLabel('What it is for').fill('shop');
    await page.getByRole('button', { name: 'Make a key' }).click();
    const key = await page.getByRole('status').locator('code').textContent();
    const withKey = (path: string) => fetch(`${studio.stack.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
    expect([(await withKey('/v1/images')).status, (await withKey('/v1/trainings')).status]).toEqual([200, 403]);
    await page.getByText('PATCH /v1/loras/ink').first().waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'usage');
    await page.getByRole('button', { name: 'I have it' }).click();
    expect(await page.getByText(key ?? '').count()).toBe(0);
    await page.getByRole('button', { name: 'Revoke shop' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke it' }).click();
    await eventually(async () => (await withKey('/v1/images')).status).toBe(401);
  });

  it('throws nothing, and asks nobody else for anything', () => expect([studio.thrown, studio.strangers]).toEqual([[], []]));
});
