/**
 * The console in a real browser: Debian's Chromium, driven by playwright-core. Needs `npm run build`.
 *
 * The browser is looked for in CHROMIUM, /usr/bin/chromium and /usr/bin/google-chrome; without one, all of this is skipped.
 * UPDATE_SCREENSHOTS=1 writes the pictures of the README to `docs/images`.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Server } from './server.js';

const CHROMIUM = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
const IMAGES = join(import.meta.dirname, '../../docs/images');
const TABS = ['map', 'path', 'series', 'gc', 'hands', 'doctor', 'replay'];
/** For what the machine has to do between two looks. */
const SOON = { timeout: 110_000 };

if (CHROMIUM === undefined) console.warn('The console is not tested: there is no Chromium; CHROMIUM may name one.');

describe.skipIf(CHROMIUM === undefined)('the console', { timeout: 240_000 }, () => {
  const server = new Server();
  const guarded = new Server({ AUTH_TOKEN: 'correct-horse' });
  let browser: Browser;
  let page: Page;
  /** Errors of the page, and requests that left the server. */
  const complaints: string[] = [];

  const openPage = async (width: number, height: number, base = server.base): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width, height } });
    context.setDefaultTimeout(SOON.timeout);
    const opened = await context.newPage();
    opened.on('pageerror', (error) => complaints.push(String(error)));
    opened.on('console', (message) => {
      // A connection that is refused while the server restarts is no mistake of the page.
      if (message.type() === 'error' && !message.text().includes('net::ERR')) complaints.push(message.text());
    });
    opened.on('request', (request) => {
      if (!request.url().startsWith(base) && !/^(blob|data):/.test(request.url())) complaints.push(request.url());
    });
    await opened.goto(`${base}/`);
    return opened;
  };
  const tab = (name: string) => page.locator(`#tab-${name}`).click();
  const state = (at: Page) => at.locator('.connection').getAttribute('data-state');
  const live = (at: Page) => expect.poll(() => state(at), SOON).toBe('live');
  /** Until frames are drawn one after another without a change of the page's size: what was to be laid out is. */
  const settled = (at: Page): Promise<unknown> =>
    at.evaluate(`new Promise((done) => {
      let size = '', same = 0;
      const look = () => {
        const { scrollWidth, scrollHeight } = document.documentElement;
        const now = scrollWidth + ' ' + scrollHeight;
        same = now === size ? same + 1 : 0;
        size = now;
        if (same === 20) done();
        else requestAnimationFrame(look);
      };
      look();
    })`);
  const text = (selector: string) => page.locator(selector).first().innerText();

  beforeAll(async () => {
    const launched = chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox'], timeout: 100_000 });
    [browser] = await Promise.all([launched, server.start(), guarded.start()]);
    page = await openPage(1280, 900);
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all([server.stop(), guarded.stop()]);
  });

  test('it connects, and shows the default heap', async () => {
    await live(page);
    expect(await page.title()).toBe('default · goheap');
    expect(await page.locator('.heap-choice select').inputValue()).toBe('default');
  });

  test('what is allocated on the page appears in the map', async () => {
    await tab('hands');
    const form = page.locator('section[aria-label="Allocate"]');
    await form.locator('input[name=size]').fill('8192');
    await form.locator('input[name=count]').fill('40');
    expect(await form.locator('.curl code').innerText()).toContain(`-d '{"size":8192,"count":40}'`);
    await form.getByRole('button', { name: 'Allocate' }).click();
    await expect.poll(() => form.locator('.result').innerText(), SOON).toMatch(/^40 objects, class 51, first 0xc0/);
    await tab('map');
    await expect.poll(() => text('.legend'), SOON).toContain('in use: 40 pages');
    // Every page of the canvas can be asked with the keyboard.
    await page.locator('.map-main .grid').focus();
    await expect
      .poll(() => text('.grid-status'), SOON)
      .toMatch(/^page 0 · 0xc000000000 · span \d+ \(1 page\) · class 51, 8,192 B, noscan · 1\/1 slots \(100%\)/);
  });

  test('a span opens, then an object, and Escape goes back', async () => {
    const address = await server.api<{ address: string }>('POST', 'alloc', { size: 64, noscan: false });
    const inner = { size: 32, store: { address: address.address, word: 3 }, root: false };
    const { address: leaf } = await server.api<{ address: string }>('POST', 'alloc', inner);
    await page.locator('.map-main .grid').focus();
    await page.keyboard.press(']');
    await page.keyboard.press('Enter');
    await expect.poll(() => text('.side h3'), SOON).toMatch(/^Span \d+$/);
    expect(await text('.side .facts')).toMatch(/full-swept|mcache/);
    await page.keyboard.press('Enter');
    await expect.poll(() => text('.side h3'), SOON).toMatch(/^Object 0xc0/);
    await page.keyboard.press('Escape');
    await expect.poll(() => text('.side h3'), SOON).toMatch(/^Span \d+$/);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.side').isHidden(), SOON).toBe(true);

    // By its address, and along a pointer.
    await page.goto(`${server.base}/#/default/map/object/${address.address}`);
    await page.locator('.side ul.links a').first().click();
    await expect.poll(() => text('.side h3'), SOON).toBe(`Object ${leaf}`);
    await page.getByRole('button', { name: 'Path from a root' }).click();
    await expect.poll(() => text('.side ol.links'), SOON).toContain(`${address.address} in span`);
    await expect.poll(() => text('.hex'), SOON).toMatch(/^0000 {2}00 00/);
  });

  test('a line of the collector appears', async () => {
    await tab('gc');
    await page.getByRole('button', { name: 'Collect now' }).click();
    await expect.poll(() => text('.gctrace'), SOON).toMatch(/^gc \d+ @[0-9.]+s \d+%: .* 2 P \(forced\)$/);
    await page.locator('.cycle summary').first().click();
    await expect.poll(() => text('.cycle-details'), SOON).toMatch(/sweep termination/);
    await tab('series');
    await expect.poll(() => page.locator('.uplot canvas').count(), SOON).toBeGreaterThanOrEqual(6);
  });

  test('the path counts what each level served', async () => {
    await tab('path');
    const { ps } = await server.api<{ ps: { served: Record<string, number> }[] }>('GET', 'ps');
    const mheap = ps.reduce((sum, { served }) => sum + served.mheap, 0);
    await expect.poll(() => text('.level[aria-label=mheap] .served'), SOON).toContain(`${mheap} · `);
  });

  test('a plot says which metrics it shows, and is saved as PNG', async () => {
    await tab('series');
    await page.getByRole('button', { name: 'What Heap shows' }).click();
    expect(await text('#info-heap')).toContain('go_memstats_heap_inuse_bytes');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save Heap as PNG' }).click();
    expect((await download).suggestedFilename()).toBe('goheap-heap.png');
  });

  test('GOGC and GOMEMLIMIT follow their sliders', async () => {
    await tab('hands');
    await page.locator('section[aria-label=GOGC] input[type=range]').fill('200');
    await page.locator('section[aria-label=GOMEMLIMIT] input[type=checkbox]').uncheck();
    const settings = async () =>
      (await server.api<{ settings: { gogc: number; gomemlimit: string } }>('GET', '')).settings;
    await expect.poll(settings, SOON).toMatchObject({ gogc: 200, gomemlimit: expect.stringMatching(/MiB$/) });
  });

  test('a workload starts and stops', async () => {
    await tab('hands');
    // Far longer than the test: it is still running when somebody looks.
    await page.locator('.fields input[name=duration]').fill('86400');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await expect.poll(() => text('.workload'), SOON).toMatch(/larson-1\s+running/);
    await page.getByRole('button', { name: 'Stop' }).click();
    await expect.poll(() => text('.workload'), SOON).toMatch(/it was stopped/);
  });

  test('the doctor examines', async () => {
    await tab('doctor');
    await expect.poll(() => text('.diagnosis'), SOON).toMatch(/^I |hardly/);
  });

  test('a problem is shown in its own words', async () => {
    await tab('hands');
    const form = page.locator('section[aria-label="Free"]');
    await form.locator('select').first().selectOption('an address');
    await form.locator('input').fill('0x123');
    // It goes away after some seconds, so that the browser looks for it from before it is there.
    const told = page.locator('.toast', { hasText: 'address-outside-heap' }).first().waitFor(SOON);
    await Promise.all([told, form.getByRole('button', { name: 'Free', exact: true }).click()]);
    // The browser reports every answer that is an error.
    await expect.poll(() => complaints.length, SOON).toBeGreaterThan(0);
    expect(complaints.splice(0)).toEqual([expect.stringContaining('status of 4')]);
  });

  test('the tabs go by arrow keys', async () => {
    await page.locator('#tab-map').click();
    const selected = () => page.locator('[role=tab][aria-selected=true]').getAttribute('id');
    await page.keyboard.press('ArrowRight');
    await expect.poll(selected, SOON).toBe('tab-path');
    await page.keyboard.press('End');
    await expect.poll(selected, SOON).toBe(`tab-${TABS.at(-1)}`);
  });

  test('colours: as the system, light, dark', async () => {
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const bright = await background();
    const press = page.getByRole('button', { name: /^Colours/ });
    await press.click();
    expect(await background()).toBe(bright);
    await press.click();
    expect(await background()).not.toBe(bright);
    await press.click();
  });

  test.each(TABS)('at 390 pixels, %s fits', async (name) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await tab(name);
    await expect.poll(() => page.locator(`#tab-${name}`).getAttribute('aria-selected'), SOON).toBe('true');
    await settled(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  test('a restart of the server reconnects', async () => {
    await tab('map');
    await server.stop();
    await expect.poll(() => state(page), SOON).toBe('waiting');
    await server.start();
    await live(page);
    // The heap is a new one.
    await expect.poll(() => text('.legend'), SOON).toContain('in use: 0 pages');
    // A request that met the server on its way out was told so: the browser reports every answer that is an error.
    expect(complaints.splice(0).filter((text) => !text.includes('status of 503'))).toEqual([]);
  });

  test('a server with a token asks for it', async () => {
    const asked = await openPage(1280, 900, guarded.base);
    await asked.locator('dialog input').fill('wrong');
    await asked.getByRole('button', { name: 'Use it' }).click();
    await expect.poll(() => asked.locator('dialog').innerText(), SOON).toContain('did not accept');
    await asked.locator('dialog input').fill('correct-horse');
    await asked.getByRole('button', { name: 'Use it' }).click();
    await live(asked);
    await asked.locator('#tab-hands').click();
    expect(await asked.locator('.curl code').first().innerText()).toContain('"Authorization: Bearer $TOKEN"');
    await asked.close();
    complaints.length = 0;
  });

  test.runIf(process.env.UPDATE_SCREENSHOTS === '1')(
    'screenshots',
    async () => {
      const alloc = (body: object) => server.api('POST', 'alloc', body);
      for (let i = 0; i < 34; i++) {
        const size = [16, 24, 48, 64, 96, 128, 208, 320, 512, 704, 1024, 1536, 2048, 4096, 9472, 20_000, 200_000][
          i % 17
        ];
        await alloc({ size, count: Math.ceil(700_000 / size), noscan: i % 3 !== 0 });
      }
      // Holes that no other size can use.
      await server.api('POST', 'workloads', { workload: 'fragmentation', bytes: '16MiB', duration: 10, keep: true });
      await page.waitForTimeout(12_000);
      await server.api('POST', 'gc', {});
      const { addresses } = await server.api<{ addresses: string[] }>('POST', 'alloc', { size: 224, count: 300 });
      await server.api('POST', 'free', { addresses: addresses.filter((_, i) => i % 3 === 0) });
      const { span } = await server.api<{ span: number }>('GET', `objects/${addresses[100]}`);
      await page.goto(`${server.base}/#/default/map/span/${span}`);
      await page.waitForTimeout(10_000);
      await page.screenshot({ path: join(IMAGES, 'console-1280.png') });
      const narrow = await openPage(390, 844);
      await narrow.waitForTimeout(5_000);
      await narrow.screenshot({ path: join(IMAGES, 'console-390.png') });
      await server.api('POST', 'workloads', { workload: 'larson', duration: 20 });
      await page.emulateMedia({ colorScheme: 'dark' });
      await tab('path');
      await page.waitForTimeout(8_000);
      await page.screenshot({ path: join(IMAGES, 'console-path.png'), clip: { x: 0, y: 0, width: 1280, height: 620 } });
    },
    60_000,
  );
});
