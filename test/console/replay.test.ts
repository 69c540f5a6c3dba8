/**
 * The Replay tab in a real browser (see console.test.ts). Needs `npm run build`.
 *
 * UPDATE_SCREENSHOTS=1 writes the pictures of the documentation to `docs/images`.
 */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytes } from '../../console/src/format.js';
import { Server } from './server.js';

const CHROMIUM = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
const IMAGES = join(import.meta.dirname, '../../docs/images');
const JQ = join(import.meta.dirname, '../../examples/jq.mtrace.gz');
const SOON = { timeout: 110_000 };
const SHORT = /^replay\/[a-z0-9]+(\/\d+)?$/;

interface Result {
  timeline: { event: number[]; where: number[][] };
  headline: { events: number };
}

describe.skipIf(CHROMIUM === undefined)('the Replay tab', { timeout: 240_000 }, () => {
  const data = mkdtempSync(join(tmpdir(), 'goheap-replay-'));
  const server = new Server({ GOHEAP_DATA_DIR: data });
  let browser: Browser;
  let page: Page;
  /** Choosers of files that have opened. */
  let choosers = 0;
  const complaints: string[] = [];

  const openPage = async (width: number, height: number, place = ''): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width, height } });
    context.setDefaultTimeout(SOON.timeout);
    const opened = await context.newPage();
    opened.on('pageerror', (error) => complaints.push(String(error)));
    opened.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    opened.on('request', (request) => {
      if (!request.url().startsWith(server.base) && !/^(blob|data):/.test(request.url()))
        complaints.push(request.url());
    });
    await opened.goto(`${server.base}/#/default/${place}`);
    return opened;
  };
  const api = async <T>(path: string): Promise<T> =>
    (await (await fetch(`${server.base}/v1/replays${path}`)).json()) as T;
  const text = (selector: string) => page.locator(selector).first().innerText();
  const begin = () => page.locator('.replay-start button.primary').click();
  /** The recording is to be played as often as may be. */
  const loops = async (): Promise<void> => {
    const field = page.locator('input[name=loops]');
    if (!(await field.isVisible())) await page.locator('.replay-settings summary').click();
    await field.fill('10000');
  };
  const chosenFile = (file: string | { name: string; mimeType: string; buffer: Buffer }) =>
    page.locator('.drop input[type=file]').setInputFiles(file);
  const open = (place: string) => page.goto(`${server.base}/#/default/${place}`);
  const place = () => new URL(page.url()).hash.replace('#/default/', '');
  const id = () => place().split('/')[1];
  const mapOf = (event: number) =>
    expect.poll(() => page.locator('.replay-map').getAttribute('data-event'), SOON).toBe(String(event));
  /** The cells that are drawn, once they are. */
  const picture = async (): Promise<string> => {
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    return page.evaluate("document.querySelector('.replay-map canvas').toDataURL()");
  };

  beforeAll(async () => {
    const launched = chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox'], timeout: 100_000 });
    [browser] = await Promise.all([launched, server.start()]);
    page = await openPage(1280, 900, 'replay');
    page.on('filechooser', () => choosers++);
  });

  afterAll(async () => {
    await browser?.close();
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  });

  test('the gallery shows what comes with goheap', async () => {
    await expect.poll(() => page.locator('.example').count(), SOON).toBe(2);
    expect(await text('.example')).toContain('112,709 events');
    await page.locator('.example[data-example=sqlite3]').click();
    expect(await text('.replay-start button.primary')).toBe('Replay sqlite3');
    expect(await text('.replay-start .curl code')).toContain(`-d '{"example":"sqlite3"}'`);
  });

  test('the chooser is reached by the keyboard', async () => {
    const before = choosers;
    await page.locator('.drop button').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => choosers, SOON).toBe(before + 1);
  });

  test('a file that is dropped is chosen', async () => {
    const files = await page.evaluateHandle(
      "(() => { const t = new DataTransfer(); t.items.add(new File(['= Start\\n'], 'dropped.mtrace')); return t; })()",
    );
    await page.locator('.drop').dispatchEvent('dragover', { dataTransfer: files });
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer: files });
    expect(await text('.chosen')).toBe('Chosen: dropped.mtrace, 8 B');
  });

  test('garbage is refused in words', async () => {
    await chosenFile({
      name: 'garbage.bin',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from([1, 0, 2, 255, 0]),
    });
    await begin();
    await expect.poll(() => text('.problem'), SOON).toMatch(/^The recording is in no known format\s+.*it is binary/);
    expect(await text('.problem a')).toBe('replay-format');
    expect(place()).toBe('replay');
    expect((await api<{ replays: [] }>('')).replays).toEqual([]);
    // The browser reports every answer that is an error.
    expect(complaints.splice(0)).toEqual([expect.stringContaining('status of 422')]);
  });

  test('a bad setting is refused with what is allowed', async () => {
    await page.locator('input[name=gogc]').fill('50,much');
    await page.locator('.example[data-example=jq]').click();
    await begin();
    await expect.poll(() => text('.problem'), SOON).toMatch(/"gogc" must be .*, not "much"/);
    await page.locator('input[name=gogc]').fill('50,100,200');
    expect(complaints.splice(0)).toEqual([expect.stringContaining('status of 400')]);
  });

  test('a chosen file is sent, and its result shown', async () => {
    await chosenFile(JQ);
    expect(await text('.replay-start .curl code')).toMatch(
      /^curl -s 'http:\S+\/v1\/replays\?gogc=50,100,200&memlimit=off&procs=1&name=jq\.mtrace\.gz' .* --data-binary '@jq\.mtrace\.gz'$/,
    );
    await begin();
    await expect.poll(() => text('.advice-sentence'), SOON).toContain('GOGC=');
    expect(place()).toMatch(SHORT);
    expect(await text('.one-replay h2')).toBe('jq.mtrace.gz');
    expect(await text('.advice .curl code')).toMatch(/^GOGC=\d+$/);
    expect(await page.locator('.grid-table tbody tr').count()).toBe(3);
    // Against the base, in per cent.
    expect(await text('.grid-table tbody tr:nth-child(2)')).toMatch(/GOGC=50[\s\S]*\+\d+%/);
    expect(await text('.caveats')).toContain('no pointer graph');
    await expect.poll(() => page.locator('.uplot canvas').count(), SOON).toBe(3);
    await expect.poll(() => text('section[aria-label="GC log"]'), SOON).toMatch(/gc 1 @0\.\d+s/);
    expect(await text('section[aria-label="Size classes"]')).toContain('9,110 requests of 25 bytes');
    await page.getByRole('button', { name: 'What Timeline shows' }).click();
    expect(await text('#info-replay-timeline')).toContain('timeline.inuse');
    await page.getByRole('button', { name: 'What Timeline shows' }).click();
  });

  test('the slider shows the heap at any moment, and where Sys went adds up', async () => {
    const { timeline, headline } = await api<Result>(`/${id()}/results/0?include=timeline`);
    const sumAt = (i: number) => bytes(timeline.where.reduce((sum, part) => sum + part[i], 0));
    const slider = page.locator('.scrubber');
    await slider.focus();
    await page.keyboard.press('Home');
    await mapOf(timeline.event[0]);
    expect(await text('.where-table .sum')).toContain(sumAt(0));
    const first = await picture();
    await page.keyboard.press('ArrowRight');
    await mapOf(timeline.event[1]);
    await page.keyboard.press('End');
    await mapOf(headline.events);
    expect(await text('.moment-said')).toMatch(/^after 112,709 of 112,709 events/);
    expect(await text('.where-table .sum')).toContain(sumAt(timeline.event.length - 1));
    await expect.poll(picture, SOON).not.toBe(first);
    // What was seen before is kept: no request.
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.keyboard.press('Home');
    await mapOf(timeline.event[0]);
    await expect.poll(picture, SOON).toBe(first);
    expect(asked.filter((url) => url.includes('/map?'))).toEqual([]);
    // Of many moves only the last is simulated. They come at once, so that none is ever the last for a while.
    await page.evaluate(`for (let i = 0; i < 6; i++) {
      const key = new KeyboardEvent('keydown', { key: 'PageUp', bubbles: true });
      document.querySelector('.scrubber').dispatchEvent(key);
    }`);
    await mapOf(timeline.event[6 * Math.max(1, Math.round((timeline.event.length - 1) / 10))]);
    expect(asked.filter((url) => url.includes('/map?'))).toHaveLength(1);
    // A page of the map, by the keyboard.
    await page.locator('.replay-map .grid').focus();
    await expect
      .poll(() => text('.replay-map .grid-status'), SOON)
      .toMatch(/^page 0 · \d+ pages? of .* slots \(\d+%\)$/);
  });

  test('another setting opens, also by its address', async () => {
    await page.locator('.pick[data-cell="2"]').click();
    await expect.poll(() => text('.cell-title'), SOON).toBe('GOGC=200');
    expect(place()).toMatch(/\/2$/);
    await page.reload();
    await expect.poll(() => text('.cell-title'), SOON).toBe('GOGC=200');
    await expect.poll(() => page.locator('.moment-said').innerText(), SOON).toMatch(/^after/);
  });

  test('report and table are handed out', async () => {
    for (const [name, file] of [
      ['Save the report as one page', 'jq.mtrace.gz.html'],
      ['Save the grid as CSV', 'jq.mtrace.gz.csv'],
    ]) {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name }).click();
      expect((await download).suggestedFilename()).toBe(file);
    }
  });

  test.each([
    [1280, 900],
    [390, 844],
  ])('at %i pixels nothing stands out', async (width, height) => {
    const at = await openPage(width, height, place());
    await expect.poll(() => at.locator('.gctrace-log').count(), SOON).toBe(1);
    expect(await at.evaluate('document.documentElement.scrollWidth')).toBe(width);
    await at.getByRole('button', { name: '← All replays' }).click();
    await expect.poll(() => at.locator('.replay-row').count(), SOON).toBe(1);
    await at.locator('.replay-settings summary').click();
    expect(await at.evaluate('document.documentElement.scrollWidth')).toBe(width);
    await at.close();
  });

  test('the recording of a replay runs again under other settings, with progress, and is cancelled', async () => {
    await page.getByRole('button', { name: 'Other settings' }).click();
    expect(await text('.replay-start .curl code')).toContain(`-d '{"replay":"`);
    // Far longer than anybody waits.
    await loops();
    await begin();
    await expect.poll(() => text('.one-replay .tag'), SOON).toBe('runs');
    await expect
      .poll(() => text('.replay-progress'), SOON)
      .toMatch(/^\d.*% · [\d,]+ events simulated · .*\/s · .* left/);
    await expect.poll(() => text('.grid-table .going'), SOON).toMatch(/[\d,]+ events, [\d,]+ cycles, .* in use/);
    await expect.poll(() => page.locator('section[aria-label="So far"] canvas').count(), SOON).toBe(1);
    const running = place();
    // It stands in the list, and is found again there.
    await page.getByRole('button', { name: '← All replays' }).click();
    await expect.poll(() => text('.replay-row'), SOON).toMatch(/runs[\s\S]*Cancel/);
    await page.locator('.replay-row a').first().click();
    expect(place()).toBe(running);
    await expect.poll(() => page.locator('section[aria-label="So far"] canvas').count(), SOON).toBe(1);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await expect.poll(() => text('.replay-progress .problem'), SOON).toContain('The replay was cancelled');
    await expect.poll(() => text('.one-replay .tag'), SOON).toBe('cancelled');
    await page.getByRole('button', { name: 'Remove' }).click();
    await expect.poll(() => page.locator('.replay-row').count(), SOON).toBe(1);
    expect(complaints).toEqual([]);
  });

  test('one that runs goes on being watched when the server was away', async () => {
    await page.locator('.example[data-example=sqlite3]').click();
    // Far longer than anybody waits.
    await loops();
    await begin();
    await expect.poll(() => text('.one-replay .tag'), SOON).toBe('runs');
    const gone = place();
    await server.stop();
    await expect.poll(() => text('.one-replay'), SOON).toContain('connects again');
    await server.start();
    // A replay that was under way does not outlive the server; one that was done does.
    await expect.poll(() => text('.replay-progress'), SOON).toContain('There is no replay');
    expect(gone).toMatch(SHORT);
    await page.getByRole('button', { name: '← All replays' }).click();
    await expect.poll(() => page.locator('.replay-row').count(), SOON).toBe(1);
    await page.locator('.replay-row a').first().click();
    await expect.poll(() => text('.advice-sentence'), SOON).toContain('GOGC=');
    complaints.length = 0;
  });

  test('a replay is removed', async () => {
    await page.getByRole('button', { name: 'Remove' }).click();
    await expect.poll(() => text('.replay-list'), SOON).toBe('None yet.');
    await open('replay/nothing');
    await expect.poll(() => text('.replay-progress'), SOON).toContain('nothing');
  });

  test.runIf(process.env.UPDATE_SCREENSHOTS === '1')('screenshots', async () => {
    await open('replay');
    const asked = await fetch(`${server.base}/v1/replays?gogc=50,75,100,150,200,400&memlimit=off,16MiB`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"example":"sqlite3"}',
    });
    const { id: made } = (await asked.json()) as { id: string };
    await open(`replay/${made}`);
    await expect.poll(() => page.locator('.gctrace-log').count(), SOON).toBe(1);
    await page.waitForTimeout(1500);
    await page.locator('.cell-title').scrollIntoViewIfNeeded();
    await page.evaluate("document.querySelector('.cell-title').scrollIntoView(); scrollBy(0, -110)");
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(IMAGES, 'replay-1280.png') });
    const narrow = await openPage(390, 844, `replay/${made}`);
    await narrow.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => narrow.locator('.gctrace-log').count(), SOON).toBe(1);
    await narrow.waitForTimeout(1500);
    await narrow.screenshot({ path: join(IMAGES, 'replay-390.png') });
    await narrow.close();
  });
});
