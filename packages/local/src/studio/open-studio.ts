import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from '@loraloom/client';
import axe from 'axe-core';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { emoji } from '../emoji.ts';
import { startStack } from '../stack.ts';

/** Debian's Chromium, or Google's Chrome; the tests that want one are skipped without. */
export const browserPath = ['/usr/bin/chromium', '/opt/google/chrome/chrome'].find(existsSync);
if (!browserPath) console.warn('The studio is not tested in a browser: no Chromium (Debian: apt-get install chromium)');

const repository = fileURLToPath(new URL('../../../..', import.meta.url));

/** Where pictures of the pages are left for people to look at. */
const screenshots = join(repository, 'output', 'studio');

/**
 * The studio as it is built from its sources, over a whole local stack with the emoji base, in a browser: on loopback alone.
 * What a page asks another host for is refused and told of in `strangers`, what it throws in `thrown`.
 */
export async function openStudio() {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-studio-'));
  const pages = join(folder, 'pages');
  await promisify(execFile)('npm', ['run', 'build', '-w', 'packages/studio', '--', '--outDir', pages], { cwd: repository });
  const stack = await startStack({ folder: join(folder, 'data'), port: 0, models: [emoji], pages });
  if (!browserPath) throw new Error('no browser');
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
  const strangers: string[] = [];
  const thrown: string[] = [];

  /** A visitor with the key and nothing else. */
  async function visit(path = '', options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({
      locale: 'en-GB',
      viewport: { width: 1440, height: 900 },
      // Colours on their way from one to another have contrasts of their own.
      reducedMotion: 'reduce',
      ...options,
    });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: stack.url });
    await context.route(
      ({ hostname }) => hostname !== '127.0.0.1',
      (route) => {
        strangers.push(route.request().url());
        return route.abort();
      },
    );
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => thrown.push(`${error}`));
    await page.goto(`${stack.url}/#key=${stack.apiKey}`);
    await page.waitForURL((url) => !url.hash.includes('key'));
    if (path !== '') await page.goto(`${stack.url}/#${path}`);
    return page;
  }

  return {
    stack,
    api: connect({ url: stack.url, apiKey: stack.apiKey }),
    visit,
    strangers,
    thrown,
    async close() {
      await browser.close();
      await stack.close();
      await rm(folder, { recursive: true });
    },
  };
}
export type OpenStudio = Awaited<ReturnType<typeof openStudio>>;

/** What is serious about a page's accessibility by axe's rules (WCAG 2.2 A and AA, and its best practices): wanted is nothing. */
export async function axeFindings(page: Page): Promise<string[]> {
  // The page's policy lets no script in but its own; this one comes from outside of it.
  await page.evaluate(axe.source);
  const results = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      at: nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`),
    }));
  });
  return results
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, at }) => `${id}: ${at.join(' | ')}`);
}

/** Leaves a picture of the page at each width, light and dark, and finds no line of it wider than the screen. */
export async function photograph(page: Page, name: string): Promise<void> {
  await mkdir(screenshots, { recursive: true });
  await page.evaluate(() => scrollTo(0, 0));
  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.screenshot({ path: join(screenshots, `${name}-${width}-${colorScheme}.png`), animations: 'disabled' });
    }
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (tooWide > 0) throw new Error(`${name} is ${tooWide} pixels wider than ${width}`);
  }
}
