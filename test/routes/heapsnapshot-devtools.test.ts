/**
 * The snapshot in DevTools themselves: a Chromium brings them along under `devtools://`, with the code that reads the
 * files. It is looked for in CHROMIUM, /usr/bin/chromium and /usr/bin/google-chrome; without one, this is skipped.
 */

import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSnapshot } from '../helper/heapsnapshot.js';
import { type TestApp, testApp } from '../helper/routes.js';

const CHROMIUM = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
const WORKER = 'devtools://devtools/bundled/entrypoints/heap_snapshot_worker/heap_snapshot_worker.js';

let t: TestApp;
let browser: Browser | undefined;
beforeAll(async () => {
  t = await testApp({ GOGC: 'off' });
  if (CHROMIUM !== undefined) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await t.check();
  await t.close();
});

/** What DevTools say of a file. Their code has no types here. */
async function opened(file: string, ids: number[]) {
  const page = await (browser as Browser).newPage();
  await page.goto('devtools://devtools/bundled/devtools_app.html', { waitUntil: 'domcontentloaded' });
  // As text: a test runner has its own idea of an import.
  const found = await page.evaluate(
    `import(${JSON.stringify(WORKER)}).then((m) => { globalThis.devtools = m; return true; }, () => false)`,
  );
  // Another release may keep it elsewhere.
  if (found !== true) return undefined;
  const said = await page.evaluate(
    async ({ text, ids }) => {
      // biome-ignore-start lint/suspicious/noExplicitAny: as above
      const { HeapSnapshot, HeapSnapshotLoader } = (globalThis as any).devtools;
      const dispatcher = { sendEvent: () => undefined };
      const loader = new HeapSnapshotLoader.HeapSnapshotLoader(dispatcher);
      for (let at = 0; at < text.length; at += 10_000) loader.write(text.slice(at, at + 10_000));
      loader.close();
      const { port1, port2 } = new MessageChannel();
      new HeapSnapshot.SecondaryInitManager(port2);
      const snapshot: any = await loader.buildSnapshot(port1);
      const classes = Object.values<any>(snapshot.getAggregatesByClassKey(false, 'allObjects')).map((c) => {
        return { name: c.name, count: c.count, self: c.self, max: c.maxRet };
      });
      const nodes = ids.map((id) => {
        const node = snapshot.createNode(snapshot.nodeForSnapshotObjectId(id).nodeIndex);
        const edges: any[] = [];
        for (const i = node.edges(); i.hasNext(); i.next()) {
          edges.push([i.edge.type(), Number(i.edge.name()), i.edge.node().id()]);
        }
        const { id: own } = node;
        return {
          id: own.call(node),
          name: node.name(),
          self: node.selfSize(),
          retained: node.retainedSize(),
          distance: node.distance(),
          edges,
        };
      });
      // biome-ignore-end lint/suspicious/noExplicitAny: as above
      return { total: snapshot.totalSize, count: snapshot.nodeCount, classes, nodes };
    },
    { text: file, ids },
  );
  await page.close();
  return said;
}

const idOf = (address: string): number => (Number(address) - 0xc000000000) / 4 + 1;

it('is opened by DevTools, which see sizes, sites, pointers, and what is retained', {
  timeout: 120_000,
}, async (context) => {
  if (browser === undefined) {
    console.log('heapsnapshot: no Chromium found (set CHROMIUM to one): DevTools are not tried');
    context.skip();
  }
  const top = await t.alloc({ size: 64, pointers: [1, 2], site: 'main;top' });
  const left = await t.alloc({ size: 1024, pointers: [127], site: 'main;side' });
  const right = await t.alloc({ size: 1024, pointers: [127], site: 'main;side' });
  const shared = await t.alloc({ size: 100_000, site: 'main;shared' });
  const own = await t.alloc({ size: 2000 });
  const links: [string, number, string][] = [
    [top, 1, left],
    [top, 2, right],
    [left, 127, shared],
    [right, 127, shared],
  ];
  for (const [from, word, address] of links) await t.call('PUT', `objects/${from}/pointers/${word}`, { address });
  await t.post('free', { addresses: [left, right, shared] });
  await t.post('alloc', { size: 24, count: 500, site: 'main;many' });

  const { raw } = await t.get('heap.heapsnapshot');
  const { nodes } = readSnapshot(raw);
  const said = await opened(raw.toString(), [top, left, shared, own].map(idOf));
  if (said === undefined) {
    console.log(`heapsnapshot: this Chromium has no ${WORKER}`);
    return context.skip();
  }
  expect(said.count).toBe(nodes.length);
  expect(said.total).toBe(nodes.reduce((sum, n) => sum + n.size, 0));
  expect(said.classes).toContainEqual(expect.objectContaining({ name: 'side', count: 2, self: 2 * 1152 }));
  expect(said.classes).toContainEqual(expect.objectContaining({ name: 'many', count: 500, self: 500 * 24 }));
  expect(said.classes).toContainEqual(expect.objectContaining({ name: '2048 B', count: 1, self: 2048 }));
  const large = 13 * 8192;
  expect(said.nodes).toEqual([
    {
      id: idOf(top),
      name: 'top',
      self: 64,
      retained: 64 + 2 * 1152 + large,
      distance: 2,
      edges: [
        ['element', 1, idOf(left)],
        ['element', 2, idOf(right)],
      ],
    },
    {
      id: idOf(left),
      name: 'side',
      self: 1152,
      retained: 1152,
      distance: 3,
      edges: [['element', 127, idOf(shared)]],
    },
    { id: idOf(shared), name: 'shared', self: large, retained: large, distance: 4, edges: [] },
    { id: idOf(own), name: '2048 B', self: 2048, retained: 2048, distance: 2, edges: [] },
  ]);
  const { body } = await t.get(`objects/${top}/retained`);
  expect(said.nodes[0].retained).toBe(body.bytes);
});
