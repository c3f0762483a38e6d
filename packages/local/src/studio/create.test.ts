import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { styleFolder } from '@loraloom/emoji-base';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeFindings, browserPath, type OpenStudio, openStudio, photograph } from './open-studio.ts';

describe.skipIf(!browserPath)('Create, in a browser', { timeout: 120_000 }, () => {
  let studio: OpenStudio;
  let page: Page;

  beforeAll(async () => {
    studio = await openStudio();
    // A style that has learnt nothing yet: what matters here is that it can be chosen, mixed and taken off.
    const { api } = studio;
    const picture = await readFile(join(styleFolder, 'fox.png'));
    const training = await api.trainings.create({
      model: 'emoji',
      name: 'ink',
      files: [{ picture, name: 'fox.png', caption: 'fox' }],
      trigger_word: 'ink drawing',
      steps: 2,
      rank: 2,
      batch_size: 1,
    });
    expect((await api.trainings.wait(training)).status).toBe('succeeded');
    page = await studio.visit();
  }, 300_000);
  afterAll(() => studio?.close());

  /** Pictures take as long as the machine takes. */
  const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 });
  const make = () => page.getByRole('button', { name: 'Make', exact: true });
  const wall = () => page.getByRole('list', { name: 'Your pictures' });
  const pictures = (prompt: string) => wall().getByRole('button', { name: `Picture: ${prompt}` });

  it('makes pictures in a style from words, and has them again after a reload in the middle', async () => {
    await page.getByLabel('What should be in the picture?').fill('red apple, blue background');
    await page.getByRole('button', { name: 'ink', exact: true }).click();
    await page.getByRole('slider', { name: 'ink', exact: true }).fill('0.7');
    await page.getByText('Also says “ink drawing”').waitFor();
    await page.getByText('More settings').click();
    await page.getByRole('slider', { name: 'Steps' }).fill('4');
    await make().click();
    await wall().getByRole('progressbar').waitFor();
    await page.reload();
    // What was about to be asked for is still there, too.
    expect(await page.getByLabel('What should be in the picture?').inputValue()).toBe('red apple, blue background');
    await pictures('red apple, blue background, ink drawing').nth(1).waitFor();
    const [job] = (await studio.api.images.list()).data;
    expect(job?.request).toMatchObject({ n: 2, loras: [{ name: 'ink', weight: 0.7 }], steps: 4, width: 128, height: 128 });
  });

  it('shows one large, compares it with itself without the style, and hands out its receipt', async () => {
    await pictures('red apple').first().click();
    const viewer = page.getByRole('dialog');
    await viewer.getByRole('button', { name: 'With and without the style' }).click();
    const line = viewer.getByRole('slider', { name: 'Where the two meet' });
    await line.waitFor();
    await line.press('ArrowRight');
    expect(await line.inputValue()).toBe('51');
    await viewer.getByRole('button', { name: 'Copy receipt' }).click();
    await viewer.getByRole('button', { name: 'Copied' }).waitFor();
    const receipt = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    const jobs = (await studio.api.images.list()).data;
    expect(receipt).toEqual(jobs.find(({ request }) => request.loras.length === 1)?.output?.images[0]?.receipt);
    // The same but for the style.
    const [plain] = jobs;
    expect(plain?.request).toMatchObject({ loras: [], n: 1, seed: receipt.seed, prompt: receipt.prompt, steps: receipt.steps });

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      viewer.getByRole('button', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe(`red-apple-blue-background-ink-drawing-${receipt.seed}.png`);
    expect((await readFile(await download.path())).subarray(1, 4).toString()).toBe('PNG');
    expect(await axeFindings(page)).toEqual([]);
    await photograph(page, 'viewer');
    await page.keyboard.press('Escape');
    await viewer.waitFor({ state: 'detached' });
  });

  it('makes more like one, of other seeds', async () => {
    await pictures('red apple').last().click();
    await page.getByRole('dialog').getByRole('button', { name: 'More like this' }).click();
    await eventually(async () => (await studio.api.images.list()).data.length).toBe(3);
    const [more, , first] = (await studio.api.images.list()).data;
    expect(more?.request.loras).toEqual(first?.request.loras);
    expect(more?.request.seed).not.toBe(first?.request.seed);
    if (more) await studio.api.images.wait(more);
  });

  it('says kindly why a prompt is refused, and takes the next one', async () => {
    const prompt = page.getByLabel('What should be in the picture?');
    await prompt.fill('naked woman, porn');
    await make().click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/does not make sexual pictures.*will gladly draw it/);
    expect(await prompt.getAttribute('aria-invalid')).toBe('true');
    await page.getByRole('button', { name: '中文' }).click();
    expect(await alert.textContent()).toContain('本工作室不生成色情图片');
    await page.getByRole('button', { name: 'English' }).click();
    await prompt.fill('cat, green background');
    await make().click();
    await pictures('cat, green background').first().waitFor();
    expect(await alert.count()).toBe(0);
  });

  it('starts from a picture that is dropped on it, though the line breaks on its way', async () => {
    let broken = 0;
    await page.route(/\/content\?/, (route) =>
      route.request().method() === 'PUT' && broken++ === 0 ? route.abort('connectionreset') : route.continue(),
    );
    await page.getByLabel('Drop a picture here').setInputFiles(join(styleFolder, 'pig.png'));
    await page.getByRole('slider', { name: 'How much of it to make anew' }).fill('0.35');
    expect(broken).toBe(2);
    await page.reload();
    await page.getByRole('img', { name: 'The picture to start from' }).waitFor();
    await make().click();
    await eventually(async () => (await studio.api.images.list()).data[0]?.request.image_strength).toBe(0.35);
    await page.getByRole('button', { name: 'Remove' }).click();
  });

  it('has the earlier ones page by page', async () => {
    const { api } = studio;
    const asked = Array.from({ length: 20 }, () => api.images.create({ model: 'emoji', prompt: 'moon', steps: 1 }));
    await Promise.all((await Promise.all(asked)).map((image) => api.images.wait(image)));
    await page.reload();
    await eventually(() => pictures('moon').count()).toBe(20);
    await page.mouse.move(1000, 500);
    await page.mouse.wheel(0, 20_000);
    // The very first one is on the second page.
    await pictures('red apple').last().waitFor();
  });

  it('is sound to axe, fits a phone and a desk, light and dark, and asks nobody else for anything', async () => {
    await eventually(() => wall().getByRole('progressbar').count()).toBe(0);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axeFindings(page)).toEqual([]);
    }
    await photograph(page, 'create');
    const chinese = await studio.visit('', { locale: 'zh-CN' });
    await chinese.getByRole('button', { name: '生成' }).waitFor();
    expect(await chinese.evaluate(() => document.documentElement.lang)).toBe('zh-Hans');
    await photograph(chinese, 'create-zh');
    expect(studio.strangers).toEqual([]);
    expect(studio.thrown).toEqual([]);
  });

  it('asks whoever has no key for one, and keeps none that is not accepted', async () => {
    const stranger = await studio.visit();
    await stranger.getByRole('button', { name: 'Sign out' }).click();
    const key = stranger.getByLabel('API key or token');
    await key.fill('ll_wrong');
    await stranger.getByRole('button', { name: 'Enter', exact: true }).click();
    await stranger.getByText('Your key is not accepted.').waitFor();
    expect(await axeFindings(stranger)).toEqual([]);
    await photograph(stranger, 'door');
    await key.fill(studio.stack.apiKey);
    await stranger.getByRole('button', { name: 'Enter', exact: true }).click();
    await stranger.getByRole('button', { name: 'Make', exact: true }).waitFor();
  });
});
