/**
 * goheap's own recordings (`GET …/recording`, `goheap record`): AOSP's text, and what only goheap can tell.
 *
 *     # goheap 0.1.0: heap default, 2026-11-25T10:25:34.008Z, GOMAXPROCS 2, GOGC 100
 *     0: malloc 0xc000002008 632 0 0 # scan            was there before: time 0, and the size of its slot
 *     0: malloc 0xc000014000 64 332786000 332786000    an object without pointers
 *     1: free 0xc000014000 401233000 401233000
 *     # dropped: 1200 events in 1 gaps, and 30 frees came late: the reader was too slow
 *     # end: the time is over
 *
 * Every allocation says whether its object may hold pointers. The first line is what it is recognised by; the last one tells that nothing
 * is missing behind it.
 */

import { Kind } from '../events.js';
import { AospReader } from './aosp.js';
import { type Format, startsWith, type Verdict } from './reader.js';

const HASH = 35;
const SCAN = Buffer.from(' scan');
const DROPPED = Buffer.from('# dropped: ');
const END = Buffer.from('# end: ');

class GoheapReader extends AospReader {
  protected override plain: number = Kind.allocNoscan;
  private ended = false;
  private dropped = '';

  override line(b: Uint8Array, start: number, end: number, number: number): Verdict {
    if (b[start] !== HASH) return super.line(b, start, end, number);
    if (startsWith(b, start, end, END)) this.ended = true;
    else if (startsWith(b, start, end, DROPPED)) {
      this.dropped = Buffer.from(b.subarray(start + DROPPED.length, Math.min(end, start + 200))).toString('latin1');
    }
    return undefined;
  }

  override end(): Verdict {
    const { report } = this.table;
    report.cannotTell.push(
      'It records no pointers: which objects refer to which is not known, only which may. An object that lost its root counts as freed.',
      'Objects that were there when the recording began have the sizes of their slots.',
    );
    if (this.dropped !== '') report.cannotTell.push(`Some of it was dropped: ${this.dropped}.`);
    return this.ended ? undefined : 'the line "# end: …" is missing';
  }

  protected override kindOf(b: Uint8Array, start: number, end: number): number {
    return startsWith(b, start, end, SCAN) ? Kind.allocScan : this.plain;
  }
}

export const goheap: Format = {
  name: 'goheap',
  title: 'goheap record',
  first: (line) => /^# goheap \S+: heap /.test(line),
  matches: () => false,
  create: (table) => new GoheapReader(table),
};
