import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { styleFolder } from '@loraloom/emoji-base';
import { zipSync } from 'fflate';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeFindings, browserPath, type OpenStudio, openStudio, photograph } from './open-studio.ts';

const subjects = ['bus', 'carrot', 'crown', 'dog', 'fish', 'fox', 'frog', 'house', 'lemon', 'moon', 'pig'];

describe.skipIf(!browserPath)('Train, in a browser', { timeout: 150_000 }, () => {
  let studio: OpenStudio;
  let page: Page;

  beforeAll(async () => {
    studio = await openStudio();
    page = await studio.visit('/train');
  }, 300_000);
  afterAll(() => studio?.close());

  const rows = () => page.getByRole('table', { name: 'Pictures and their captions' }).locator('tbody tr');
  const caption = (name: string) => page.getByLabel(`Caption of ${name}`);
  const train = () => page.getByRole('button', { name: 'Train', exact: true });
  const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 });

  it('takes a zip of pictures with a list of captions, though the line breaks on the way, and has them after a reload', async () => {
    const pictures = await Promise.all(
      subjects.map(async (subject) => [`${subject}.png`, await readFile(join(styleFolder, `${subject}.png`))] as const),
    );
    const fox = await readFile(join(styleFolder, 'fox.png'));
    const list = subjects.map((subject) => `${subject}.png,"${subject}, white background, ink drawing"\n`).join('');
    let broken = 0;
    await page.route(/\/content\?/, (route) =>
      route.request().method() === 'PUT' && broken++ === 0 ? route.abort('connectionreset') : route.continue(),
    );
    const zip = zipSync({ set: { ...Object.fromEntries(pictures), 'metadata.csv': Buffer.from(`file_name,caption\n${list}`) } });
    await page.getByLabel('Drop pictures, a folder or a zip here').setInputFiles([
      { name: 'set.zip', mimeType: 'application/zip', buffer: Buffer.from(zip) },
      { name: 'fox copy.png', mimeType: 'image/png', buffer: fox },
      { name: 'notes.pdf', mimeType: 'application/pdf', buffer: Buffer.from('notes') },
    ]);
    await page.getByText('1 left out (notes.pdf)').waitFor();
    await eventually(() => rows().count()).toBe(12);
    await eventually(() => page.getByRole('progressbar', { name: 'Upload' }).count()).toBe(0);
    expect(broken).toBe(13);
    await page.reload();
    await eventually(() => rows().count()).toBe(12);
    expect(await caption('dog.png').inputValue()).toBe('dog, white background, ink drawing');
  });

  it('edits captions at once, and shows what the preflight finds beside the picture it is about', async () => {
    await page.getByLabel('Find in captions').fill(', INK drawing');
    await page.getByRole('button', { name: 'Replace', exact: true }).click();
    await page.getByText('11 captions changed').waitFor();
    expect(await caption('dog.png').inputValue()).toBe('dog, white background');

    // "fox copy" stands before "fox", in the order of their names.
    const copy = rows().filter({ hasText: 'the same picture as fox copy.png, so that it counts twice' });
    await copy.waitFor();
    await copy.getByRole('button', { name: 'Leave out fox.png' }).click();
    await eventually(() => rows().filter({ hasText: 'counts twice' }).count()).toBe(0);
    await eventually(() => rows().count()).toBe(11);

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export CSV' }).click(),
    ]);
    const written = await readFile(await download.path(), 'utf8');
    expect(written).toContain('dog.png,"dog, white background"');
    await page.getByLabel('Import CSV').setInputFiles({
      name: 'captions.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from(written.replace('"dog, white background"', '"brown dog, white background"')),
    });
    await page.getByText('11 captions found their pictures').waitFor();
    expect(await caption('dog.png').inputValue()).toBe('brown dog, white background');
  });

  it('says what it would take before it is asked for', async () => {
    expect(await train().isDisabled()).toBe(true);
    await page.getByLabel('Name of the style').fill('Ink Drawings');
    await page.getByText('It will be called ink-drawings').waitFor();
    await page.getByLabel('Trigger word').fill('ink drawing');
    await page.getByText('More settings').click();
    await page.getByLabel('Steps').fill('2');
    await page.getByLabel('Sample pictures').fill('red apple, ink drawing');
    await page.getByText(/^2 steps: about .* on two processor cores/).waitFor();
    // Two steps are few, which is worth a word and no more.
    await page.getByText(/little will be learnt/).waitFor();
    await eventually(() => train().isDisabled()).toBe(false);
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'train');
  });

  it('trains, shows how it goes and what it draws on the way, and loses nothing in a reload', async () => {
    await train().click();
    await page.waitForURL(/#\/train\/trn_/);
    await page.reload();
    await page.getByRole('heading', { name: 'ink-drawings', exact: true }).waitFor();
    await page.getByRole('status').getByText('ready').waitFor({ timeout: 110_000 });
    const [job] = (await studio.api.trainings.list()).data;
    expect(job?.request).toMatchObject({
      files: { length: 11 },
      trigger_word: 'ink drawing',
      validation_split: 0.1,
      sample_prompts: ['red apple, ink drawing'],
    });
    expect(job?.request.files.map((file) => file.caption)).toContain('brown dog, white background');
    await page.getByRole('img', { name: /Loss: .* at step 2/ }).waitFor();
    const samples = page.getByRole('img', { name: /^red apple, ink drawing, at step/ });
    expect(await samples.count()).toBe(2);
    expect(await page.getByRole('radio', { name: `Step ${job?.best_step}` }).isChecked()).toBe(true);
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'training');
  });

  it('publishes a checkpoint with a name and a cover', async () => {
    await page.getByRole('radio', { name: 'Step 1' }).check();
    await page.getByRole('form', { name: 'Publish' }).getByLabel('Name of the style').fill('Ink early');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.getByRole('heading', { name: 'ink-early' }).waitFor();
    const [early, whole] = await Promise.all([studio.api.loras.get('ink-early'), studio.api.loras.get('ink-drawings')]);
    expect(early).toMatchObject({ trigger_words: ['ink drawing'], rank: 8, model: 'emoji' });
    expect(early.cover_url).not.toBeNull();
    const [job] = (await studio.api.trainings.list()).data;
    const view = await studio.api.trainings.get(job?.id ?? '');
    expect(early.sha256).toBe(view.checkpoints.find(({ step }) => step === 1)?.sha256);
    expect(whole.sha256).not.toBe(early.sha256);
  });

  it('cancels a training, and resumes it from the checkpoint that it left', async () => {
    const [{ request } = { request: undefined }] = (await studio.api.trainings.list()).data;
    if (!request) throw new Error('no training');
    const { files, model } = request;
    const asked = { model, name: 'long', files, steps: 5000, save_steps: 50, batch_size: 1, rank: 2 };
    const { id } = await studio.api.trainings.create(asked);
    await page.goto(`${studio.stack.url}/#/train`);
    await page.getByRole('link', { name: 'long' }).click();
    await page.getByRole('radio', { name: 'Step 50', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('status').getByText('canceled').waitFor();
    await photograph(page, 'training-canceled');
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.waitForURL((url) => /trn_/.test(url.hash) && !url.hash.includes(id));
    const [resumed] = (await studio.api.trainings.list()).data;
    const { checkpoints } = await studio.api.trainings.get(id);
    const step = checkpoints.at(-1)?.step ?? Number.NaN;
    expect(resumed?.request).toMatchObject({ continue_from: { training_id: id, step }, steps: 5000 - step });
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('status').getByText('canceled').waitFor();
  });

  it('throws nothing, and asks nobody else for anything', () => expect([studio.thrown, studio.strangers]).toEqual([[], []]));
});
