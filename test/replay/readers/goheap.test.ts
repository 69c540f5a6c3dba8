/** goheap's own recordings, as its reader sees them. */

import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { KIND_SHIFT, Kind } from '../../../src/replay/events.js';
import { Parser } from '../../../src/replay/ingest.js';
import { play } from '../../helper/recording.js';
import { testApp } from '../../helper/routes.js';

const FIRST = '# goheap 0.1.0: heap default, 2026-11-25T10:25:34.008Z, GOMAXPROCS 2, GOGC 100';
const LAST = '# end: the time is over';

function read(text: string) {
  const kinds: number[] = [];
  const parser = new Parser({
    write: (words, records) => {
      for (let i = 0; i < records; i++) kinds.push(words[i * 2] >>> KIND_SHIFT);
    },
  });
  parser.push(Buffer.from(text));
  return { report: parser.end(), kinds };
}

it('knows which objects may hold pointers', () => {
  const { report, kinds } = read(
    [
      FIRST,
      '0: malloc 0xc000002008 632 0 0 # scan',
      '0: malloc 0xc000014000 64 332786000 332786000',
      '1: free 0xc000014000 401233000 401233000',
      '# told: 1 mallocs of 64 bytes, 1 frees',
      LAST,
      '',
    ].join('\n'),
  );
  expect(report).toMatchObject({
    format: 'goheap',
    events: 3,
    mallocs: 2,
    frees: 1,
    threads: 2,
    badLines: 0,
    durationNs: 401_233_000,
    truncated: false,
    liveBytes: 632,
    maxSize: 632,
  });
  const events = kinds.filter((kind) => kind < Kind.thread);
  expect(events).toEqual([Kind.allocScan, Kind.allocNoscan, Kind.free]);
});

it('tells a recording that broke off from one that is whole, and says what was dropped', () => {
  const line = '0: malloc 0xc000014000 64 1000 1000\n';
  expect(read(`${FIRST}\n${line}`).report).toMatchObject({ events: 1, truncated: true });
  const dropped = '# dropped: 12 events in 1 gaps, and 3 frees came late: the reader was too slow';
  const { report } = read(`${FIRST}\n${line}${dropped}\n${LAST}\n`);
  expect(report.truncated).toBe(false);
  expect(report.cannotTell.join(' ')).toContain('Some of it was dropped: 12 events in 1 gaps');
  // Without its first line it is AOSP text like any other.
  expect(read(line).report).toMatchObject({ format: 'aosp', events: 1 });
});

it('reads what a heap has written', async () => {
  const t = await testApp();
  try {
    const { addresses } = (await t.post('alloc', { size: 48, count: 50 })).body;
    await t.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = t.app.server.address() as AddressInfo;
    // It has begun when it answers, and ends when it is told to.
    const answer = await fetch(`http://127.0.0.1:${port}/v1/heaps/t/recording?seconds=3600`);
    expect(answer.status).toBe(200);
    await t.post('free', { addresses: addresses.slice(10), reuse: 'immediate' });
    await t.post('alloc', { size: 48, count: 30, noscan: false });
    await t.post('alloc', { size: 3, count: 100 });
    t.lifecycle.signal.dispatchEvent(new Event('abort'));
    const text = await answer.text();
    const { mallocs, frees, bytes, older, reused, live } = play(text);
    expect([mallocs, frees, older.size]).toEqual([130, 40, 50]);
    expect(read(text).report).toMatchObject({
      format: 'goheap',
      mallocs: mallocs + older.size,
      frees,
      totalBytes: bytes + 50 * 48,
      liveObjects: live.size,
      reusedAddresses: reused,
      unknownFrees: 0,
      implicitFrees: 0,
      badLines: 0,
      truncated: false,
    });
    await t.check();
  } finally {
    await t.close();
  }
});
