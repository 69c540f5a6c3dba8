/** Results made by simulating small streams in this thread, and headlines made up for arithmetic. */

import { DEFAULT_SETTINGS } from '../../../src/replay/defaults.js';
import { CHUNK_RECORDS, type IngestReport, Kind, newIngestReport } from '../../../src/replay/events.js';
import { RecordWriter } from '../../../src/replay/records.js';
import type { SimResult } from '../../../src/replay/result.js';
import type { SimSettings } from '../../../src/replay/settings.js';
import { simulate } from '../../../src/replay/sim/run.js';
import { TraceStore } from '../../../src/replay/store.js';
import { type Ranges, rangesOf } from '../../../src/replay/whatif/ranges.js';

/** A program of `events` mallocs and frees among 2,000 slots, always the same. */
export function churn(events: number, maxSize = 2000): { store: TraceStore; ingest: IngestReport } {
  const store = TraceStore.create({ memory: 64 * 2 ** 20 });
  const sink = store.writer();
  const writer = new RecordWriter(sink);
  const full = new Uint8Array(2000);
  const ingest = { ...newIngestReport('mtrace'), events, slots: full.length, bytes: 1234, textBytes: 5678 };
  let random = 12345;
  for (let i = 0; i < events; i++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    const slot = (random >>> 8) % full.length;
    writer.slots = Math.max(writer.slots, slot + 1);
    if (full[slot] === 1) {
      writer.event(Kind.free, slot, 0);
      ingest.frees++;
    } else {
      writer.event((random & 1) === 0 ? Kind.alloc : Kind.allocScan, slot, 1 + ((random >>> 4) % maxSize));
      ingest.mallocs++;
    }
    full[slot] ^= 1;
  }
  writer.end();
  sink.complete(ingest);
  if (events > 100 * CHUNK_RECORDS) throw new Error('that is no small stream');
  return { store, ingest };
}

export function simulated(
  settings: Partial<SimSettings> = {},
  events = 60_000,
): { result: SimResult; ingest: IngestReport } {
  const { store, ingest } = churn(events);
  const result = simulate(store.handle, { ...DEFAULT_SETTINGS, reserve: 2 ** 30, ...settings });
  store.close();
  return { result, ingest };
}

/** Ranges of a result with some numbers replaced. */
export function withNumbers(
  result: SimResult,
  numbers: Partial<SimResult['headline']>,
): { result: SimResult; ranges: Ranges } {
  const changed = { ...result, headline: { ...result.headline, ...numbers } };
  return { result: changed, ranges: rangesOf([changed.headline]) };
}
