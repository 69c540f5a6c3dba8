/** The heap's page against client_golang's own list for Go 1.27. */

import { describe, expect, it } from 'vitest';
import { LE } from '../../src/gc/timehistogram.js';
import { mallocNoscan } from '../../src/heap/malloc.js';
import { BY_SIZE_BOUNDS } from '../../src/telemetry/families-gc.js';
import { LEFT_OUT, whyLeftOut } from '../../src/telemetry/left-out.js';
import { HEAP_TABLE, heapText } from '../../src/telemetry/table.js';
import { golden, newHeap, parse, scraped } from './support.js';

describe('client_golang', () => {
  const all = golden();
  const byName = new Map(all.map((m) => [m.name, m]));

  it('has every metric of ours, with this name, type and help, word for word', () => {
    for (const f of HEAP_TABLE) {
      const theirs = byName.get(f.name);
      expect(theirs, f.name).toBeDefined();
      expect({ type: f.type, help: f.help }, f.name).toEqual({ type: theirs?.type, help: theirs?.help });
    }
  });

  it('has no metric that is neither shown nor left out with a reason', () => {
    const shown = new Set(HEAP_TABLE.map((f) => f.name));
    expect(shown.size).toBe(HEAP_TABLE.length);
    for (const { name } of all) {
      expect(shown.has(name) !== (whyLeftOut(name) !== undefined), `${name} is shown, or left out, not both`).toBe(
        true,
      );
    }
    for (const { name } of LEFT_OUT) {
      const known = all.some((m) => (name.endsWith('*') ? m.name.startsWith(name.slice(0, -1)) : m.name === name));
      expect(known, `${name} is left out but client_golang does not have it`).toBe(true);
    }
  });

  it('has these bucket bounds, to the last bit', () => {
    const h = newHeap();
    mallocNoscan(h, h.ps[0], 100);
    const page = parse(heapText('go', scraped(h)));
    const shown = HEAP_TABLE.filter((f) => f.type === 'histogram').map((f) => f.name);
    expect(shown).toHaveLength(5);
    for (const name of shown) {
      const theirs = byName.get(name);
      const bounds = theirs?.buckets ?? theirs?.le;
      expect(bounds, name).toEqual(name.endsWith('_by_size_bytes') ? BY_SIZE_BOUNDS : LE);
      const le = page
        .get(name)
        ?.samples.filter((s) => s.name.endsWith('_bucket'))
        .map((s) => s.labels.le);
      expect(le).toEqual([...(bounds ?? []).map(String), '+Inf']);
    }
  });

  it('writes families in the text as the table declares them', () => {
    const page = parse(heapText('go', scraped(newHeap())));
    expect([...page.values()].map(({ name, type, help }) => ({ name, type, help }))).toEqual(
      HEAP_TABLE.map(({ name, type, help }) => ({ name, type, help })),
    );
  });
});
