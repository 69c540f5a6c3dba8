/** A reader of recordings that knows the format and nothing of who wrote it. It refuses whatever does not pair. */

export interface Played {
  mallocs: number;
  frees: number;
  /** Sum of the sizes of `mallocs`. */
  bytes: number;
  /** What was there before: lines with time 0 at the beginning. */
  older: Map<string, { size: number; scan: boolean }>;
  live: Map<string, { size: number; scan: boolean; p: number }>;
  scans: number;
  ps: Set<number>;
  /** Remarks, without `# `. */
  remarks: string[];
  /** Addresses that were handed out again. */
  reused: number;
}

const LINE = /^(\d+): (?:malloc (0x[0-9a-f]+) (\d+)|free (0x[0-9a-f]+)) (\d+) (\d+)( # scan)?$/;

export function play(text: string): Played {
  const out: Played = {
    mallocs: 0,
    frees: 0,
    bytes: 0,
    older: new Map(),
    live: new Map(),
    scans: 0,
    ps: new Set(),
    remarks: [],
    reused: 0,
  };
  const seen = new Set<string>();
  let last = 0;
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line is not ended');
  lines.forEach((line, i) => {
    const bad = (why: string): Error => new Error(`line ${i + 1}, ${JSON.stringify(line)}: ${why}`);
    if (line.startsWith('#')) {
      out.remarks.push(line.slice(2));
      return;
    }
    const match = LINE.exec(line);
    if (match === null) throw bad('is no event');
    const [, p, address, bytes, freed, start, end, scan] = match;
    if (start !== end || Number(start) < last) throw bad(`goes back in time, to ${start} from ${last}`);
    last = Number(start);
    if (freed !== undefined) {
      if (!out.live.delete(freed)) throw bad('frees what is not live');
      out.frees++;
      out.ps.add(Number(p));
      return;
    }
    if (out.live.has(address)) throw bad('allocates what is live');
    const object = { size: Number(bytes), scan: scan !== undefined, p: Number(p) };
    out.live.set(address, object);
    if (seen.has(address)) out.reused++;
    seen.add(address);
    if (last === 0) {
      if (p !== '0') throw bad('was there before, and has a P');
      out.older.set(address, object);
      return;
    }
    out.ps.add(Number(p));
    out.mallocs++;
    out.bytes += object.size;
    if (object.scan) out.scans++;
  });
  return out;
}
