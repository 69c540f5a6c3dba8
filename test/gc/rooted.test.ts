/** The copy of what is rooted, against what the program holds. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gcCycle } from '../../src/gc/cycle.js';
import { copyRooted, Rooted, rootedWords } from '../../src/gc/rooted.js';
import { check } from '../../src/heap/check.js';
import { Found, resolve, usableBytes } from '../../src/heap/objects.js';
import { Ledger, LIVE, OPEN } from '../../src/telemetry/recording/ledger.js';
import { World } from '../heap/world.js';

const key = (word: number, sub: number): number => word * 8 + sub;

/** What a copy says, by address in bytes. */
function read(rooted: Rooted): Map<number, { size: number; scan: boolean }> {
  const out = new Map<number, { size: number; scan: boolean }>();
  for (let at = rooted.first; at < rooted.end; at = rooted.after(at)) {
    rooted.each(at, (word, sub, size, scan) => {
      expect(out.has(key(word, sub))).toBe(false);
      out.set(key(word, sub), { size, scan });
    });
  }
  return out;
}

const size = fc.oneof(
  fc.integer({ min: 1, max: 15 }),
  fc.integer({ min: 16, max: 600 }),
  fc.integer({ min: 601, max: 40_000 }),
);
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ op: fc.constant('alloc' as const), size, noscan: fc.boolean(), p: fc.nat(1) }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('free' as const), n: fc.nat(999), now: fc.boolean(), p: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('gc' as const) }) },
);

it('has every object that is held, and no other', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const w = new World(2, 16 << 20, 4 << 20);
      const { h } = w;
      const scans = new Map<number, boolean>();
      for (const s of steps) {
        if (s.op === 'alloc') {
          const o = w.alloc(w.p(s.p), s.size, s.noscan);
          if (o !== null) scans.set(key(o.word, o.sub), !s.noscan);
        } else if (s.op === 'gc') gcCycle(h, w.p(0));
        else {
          const all = [...w.held.values()];
          if (all.length > 0) w.free(w.p(s.p), all[s.n % all.length], s.now);
        }
      }
      const words = rootedWords(h);
      const out = new Int32Array(words + 7);
      const used = copyRooted(h, out, 7);
      expect(used).toBeLessThanOrEqual(words);
      const rooted = new Rooted(out.slice(7, 7 + used), h.pages);
      const found = new Found();
      const held = [...w.held.values()];
      const expected = new Map(
        held.map((o) => {
          resolve(h, w.p(0), o.word, o.sub, found);
          return [key(o.word, o.sub), { size: usableBytes(h, found), scan: scans.get(key(o.word, o.sub)) }];
        }),
      );
      expect(read(rooted)).toEqual(expected);

      // The ledger looks up what it is asked for, page by page.
      const ledger = new Ledger(h.pages, rooted);
      const find = (word: number, sub: number): number => ledger.find((word << 3) | sub, 0xc0 + (word >> 29));
      for (const { word, sub } of held) expect(find(word, sub)).toBe(LIVE | OPEN);
      const pages = new Set(held.map(({ word }) => word >> 10));
      for (const page of [...pages].slice(0, 3)) {
        let known = 0;
        for (let byte = 0; byte < 8192; byte++) if (find(page * 1024 + (byte >> 3), byte & 7) !== 0) known++;
        expect(known).toBe(held.filter(({ word }) => word >> 10 === page).length);
      }
      expect(ledger.settle(() => false)).toBe(true);

      // Too little room: how much it would have taken.
      if (used > 8) {
        const small = new Int32Array(used - 1);
        expect(copyRooted(h, small, 0)).toBeGreaterThanOrEqual(used);
      }
      expect(check(h)).toEqual([]);
    }),
    { numRuns: 100 },
  );
});
