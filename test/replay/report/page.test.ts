/**
 * The report page in a real browser, from a file: that it draws everything, asks nobody for anything, and fits a phone. Needs `npm run build`.
 *
 * The browser is looked for in CHROMIUM, /usr/bin/chromium and /usr/bin/google-chrome; without one, this is skipped.
 */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseGctrace } from '../../../src/replay/profile/gctrace.js';
import { overlay } from '../../../src/replay/profile/overlay.js';
import { comparisonDocument, documentOfResults } from '../../../src/replay/report/document.js';
import { reportHtml } from '../../../src/replay/report/html.js';
import { searchLimit } from '../../../src/replay/whatif/limit.js';
import { simulated } from '../whatif/support.js';

const CHROMIUM = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
if (CHROMIUM === undefined) console.warn('The report page is not tested: there is no Chromium; CHROMIUM may name one.');

const MB = 2 ** 20;
/** A name that would do harm if it were markup. */
const NASTY = '</script><img src=x onerror="document.title=1"><!--.mtrace';

async function documentOf(name: string) {
  const base = simulated({ scan: 'all' });
  const results = [
    base.result,
    simulated({ scan: 'all', gogc: 50 }).result,
    simulated({ scan: 'all', gogc: 400 }).result,
  ];
  const log = parseGctrace(base.result.gctrace.join('\n'));
  const limit = await searchLimit({ low: 6 * MB, high: 20 * MB }, { gogc: 100, gomaxprocs: 1 }, 0.05, async (limits) =>
    limits.map((l) => {
      const gcCpu = 0.3 * ((6 * MB) / l) ** 4;
      return {
        limit: l,
        gcCpu: [gcCpu, gcCpu],
        cycles: [1, 1],
        overLimit: [0, 0],
        overLimitMax: [0, 0],
        limitedCycles: [0, 0],
        peakRetained: [l, l],
      };
    }),
  );
  return {
    ...documentOfResults(name, 'ab'.repeat(32), base.ingest, results),
    limit,
    overlay: overlay(base.result, { gctrace: log }),
    overlayCell: 0,
  };
}

describe.skipIf(CHROMIUM === undefined)('the report page', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'goheap-page-'));
  let browser: Browser;
  /** The page of one recording, for those who leave it as it was. */
  let light: Page;
  let dark: Page;
  const complaints: string[] = [];
  const file = (name: string): string => join(scratch, name);

  async function open(name: string, width = 1280, colorScheme: 'light' | 'dark' = 'light'): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const url = pathToFileURL(file(name)).href;
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('request', (request) => {
      if (request.url() !== url) complaints.push(`asks for ${request.url()}`);
    });
    await page.goto(url);
    return page;
  }

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox'] });
    const one = await documentOf(NASTY);
    writeFileSync(file('one.html'), reportHtml(one));
    writeFileSync(file('two.html'), reportHtml(comparisonDocument(one, { ...one, name: 'new.mtrace' })));
    light = await open('one.html');
    dark = await open('one.html', 1280, 'dark');
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  test('draws every part, by itself', async () => {
    const page = light;
    for (const id of [
      'advice',
      'grid',
      'limit',
      'reality',
      'timeline',
      'where',
      'classes',
      'lifetimes',
      'gctrace',
      'recording',
      'caveats',
    ]) {
      expect(await page.locator(`section#${id}`).count(), id).toBe(1);
    }
    expect(await page.title()).toBe(`goheap replay: ${NASTY}`);
    expect(await page.locator('h1').innerText()).toBe(NASTY);
    expect(await page.locator('.environment code').first().innerText()).toMatch(/^GOGC=/);
    expect(await page.locator('#advice circle.chosen').count()).toBe(1);
    expect(await page.locator('#limit circle.chosen').count()).toBe(1);
    // Something is painted on each plot.
    const painted = await page.evaluate<boolean[]>(`[...document.querySelectorAll('.plot canvas')].map((canvas) =>
      new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer).some((p) => p !== 0))`);
    expect(painted.every(Boolean)).toBe(true);
    expect(painted.length).toBeGreaterThanOrEqual(4);
    expect(complaints).toEqual([]);
  });

  test('a row of the grid shows its setting', async () => {
    const page = await open('one.html');
    const title = () => page.locator('#timeline h2').innerText();
    expect(await title()).toBe('Memory over time, GOGC=100');
    await page.getByRole('button', { name: 'GOGC=400' }).click();
    expect(await title()).toBe('Memory over time, GOGC=400');
    expect(await page.locator('#grid button[aria-pressed="true"]').innerText()).toBe('GOGC=400');
    expect(complaints).toEqual([]);
  });

  test('the legend of the stack tells parts, not sums', async () => {
    const page = light;
    const plot = page.locator('#where .u-over');
    await plot.hover({ position: { x: 400, y: 50 } });
    const values = await page.locator('#where .u-legend .u-series').allInnerTexts();
    const parts = values.slice(1).map((text) => {
      const [, number, unit] = text.match(/([\d.]+) ([KMG]?i?B)/) ?? [];
      return Number(number) * { B: 1, KiB: 1024, MiB: MB, GiB: 2 ** 30 }[unit as 'B'];
    });
    expect(parts).toHaveLength(10);
    const total = parts.reduce((a, b) => a + b, 0);
    const sys = simulated({ scan: 'all' }).result.end.where.total;
    expect(total).toBeGreaterThan(0.3 * sys);
    expect(total).toBeLessThan(1.1 * sys);
  });

  test('two recordings: the comparison, and either one below', async () => {
    const page = await open('two.html');
    expect(await page.locator('section#comparison').count()).toBe(1);
    await page.getByRole('button', { name: 'new.mtrace' }).click();
    expect(await page.locator('.chooser button[aria-pressed="true"]').innerText()).toBe('new.mtrace');
    expect(complaints).toEqual([]);
  });

  test.each([
    [390, 'light'],
    [390, 'dark'],
    [1280, 'dark'],
  ] as const)('fits %d pixels, %s', async (width, scheme) => {
    const page = width === 1280 ? dark : await open('one.html', width, scheme);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const luminance = Number(background.match(/\d+/)?.[0]);
    expect(luminance < 128).toBe(scheme === 'dark');
    expect(complaints).toEqual([]);
  });

  test('prints, on light paper', async () => {
    const page = dark;
    const pdf = await page.pdf({ format: 'A4' });
    expect(pdf.subarray(0, 4).toString()).toBe('%PDF');
    await page.emulateMedia({ media: 'print', colorScheme: 'light' });
    expect(await page.locator('.environment button').first().isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });
});
