import { describe, expect, it } from 'vitest';
import { PageAlloc } from '../../src/heap/pagealloc.js';
import { scavenge } from '../../src/heap/scavengecandidate.js';
import { DENSE_PAGES, ScavengeIndex } from '../../src/heap/scavengeindex.js';
import { golden } from './pagealloc-golden.js';

type Op =
  | ['alloc' | 'free', number, number, number]
  | ['nextGen']
  | ['setEmpty', number]
  | ['find', boolean, number, number];

const { traces, chunks } = golden<{ traces: { ops: Op[] }[]; chunks: number }>('scavengeindex_traces');

describe('scavenge index traces of Go 1.27', () => {
  let finds = 0;
  it.each(traces.map(({ ops }, trace) => ({ trace, ops })))('trace $trace', ({ ops }) => {
    const m = new Int32Array(ScavengeIndex.words(chunks) + 3);
    const index = new ScavengeIndex(m, 3);
    for (const [n, op] of ops.entries()) {
      if (op[0] === 'alloc') index.alloc(op[1], op[3]);
      else if (op[0] === 'free') index.free(op[1], op[1] * 512 + op[2] + op[3] - 1, op[3]);
      else if (op[0] === 'nextGen') index.nextGen();
      else if (op[0] === 'setEmpty') index.setEmpty(op[1]);
      else if (op[0] === 'find') {
        finds++;
        const page = index.find(op[1]);
        const got = page < 0 ? [-1, 0] : [page >> 9, page & 511];
        expect(got, `op ${n} ${JSON.stringify(op)}`).toEqual([op[2], op[3]]);
      }
    }
    expect([...m.subarray(0, 3)]).toEqual([0, 0, 0]);
  });

  it('compared every find', () => {
    expect([traces.length, finds]).toEqual([40, 949]);
  });

  it('refuses counts that cannot be', () => {
    const index = new ScavengeIndex(new Int32Array(ScavengeIndex.words(1)), 0);
    expect(() => index.free(0, 0, 1)).toThrow('below zero');
    index.alloc(0, 512);
    expect(() => index.alloc(0, 1)).toThrow('too many');
  });
});

describe('scavenge', () => {
  /** Two chunks of pages that were allocated and freed, so backed by memory. */
  function backed(): { pa: PageAlloc; released: [number, number][]; release: (page: number, n: number) => void } {
    const pa = new PageAlloc(new Int32Array(PageAlloc.words(2)), 0, 2);
    pa.grow(0, 1024);
    expect(pa.alloc(1024)).toBe(0);
    expect(pa.scav).toBe(1024);
    pa.free(0, 1024);
    const released: [number, number][] = [];
    return { pa, released, release: (page, n) => released.push([page, n]) };
  }
  const check = (pa: PageAlloc): void => pa.checkSummaries((msg) => expect.fail(msg));

  it('goes from the top down, and keeps huge pages whole', () => {
    const { pa, released, release } = backed();
    expect(scavenge(pa, 8, true, release)).toBe(256);
    expect(released).toEqual([[768, 256]]);
    expect(scavenge(pa, 1 << 20, true, release)).toBe(768);
    expect(released.at(-1)).toEqual([0, 512]);
    expect(scavenge(pa, 1, true, release)).toBe(0);
    expect(pa.isScavenged(0) && pa.isScavenged(1023)).toBe(true);
    // The next allocation says that its memory was given back.
    expect([pa.alloc(3), pa.scav]).toEqual([0, 3]);
    check(pa);
  });

  it('in the background sees only what an earlier generation freed', () => {
    const { pa, released, release } = backed();
    expect(scavenge(pa, 8, false, release, { minPages: 1, hugePages: 0 })).toBe(0);
    pa.index.nextGen();
    expect(scavenge(pa, 8, false, release, { minPages: 1, hugePages: 0 })).toBe(8);
    expect(released).toEqual([[1016, 8]]);
    check(pa);
  });

  it('in the background spares dense chunks, forced it does not', () => {
    const { pa, release } = backed();
    pa.allocRange(0, DENSE_PAGES);
    pa.allocRange(512, 512);
    pa.index.nextGen();
    expect(scavenge(pa, 16, false, release)).toBe(0);
    expect(scavenge(pa, 32, true, release)).toBe(16);
    check(pa);
  });

  it('leaves the pages free if the release fails', () => {
    const { pa } = backed();
    const fail = (): void => {
      throw new Error('EINVAL');
    };
    expect(() => scavenge(pa, 4, true, fail)).toThrow('EINVAL');
    expect(pa.isAllocated(1023) || pa.isScavenged(1023)).toBe(false);
    expect([pa.alloc(1024), pa.scav]).toEqual([0, 0]);
    check(pa);
  });
});
