/**
 * From the operations of a batch, as JSON values, to the records that an M runs (`sched/ops.ts`).
 *
 * Validation is by hand: a schema validator per operation would cost more than the allocation. One operation is one record,
 * except an alloc with a site, a store, or `root: false` beside a store, which is several; from the first of
 * those on, `recordOf` tells where each operation's records begin. An operation that is refused here still takes a record
 * (a free of address 0, which fails without an effect), so that the numbering of the rest stays simple.
 *
 * `ref` names an earlier alloc by its index in the batch and becomes a reference between records, resolved by the M.
 */

import { BatchOp, Flag } from '../../sched/ops.js';
import * as address from '../address.js';
import { parseAddress } from '../address.js';
import { allocFlags, largestObject, objectTooLarge, siteId, typeOf } from '../alloc-request.js';
import { Problem, type ProblemItem, problemItem } from '../problem.js';
import { brief, quote } from '../quote.js';
import type { Host } from '../route.js';
import { MAX_FRAMES, MAX_POINTERS, MAX_SITE, SITE_WORDS } from '../schemas/alloc.js';

const FREE_IMMEDIATE = BatchOp.free | (Flag.immediate << 8);
const BY_REF = Flag.byRef << 8;

/** Where an address of an earlier window of a stream is looked up: true when it left halves in `lo`, `hi` of address.ts. */
export type Earlier = (ref: number) => boolean;

export class Builder {
  /** The records so far, four words each. */
  words: Int32Array;
  /** Operations and records so far. */
  ops = 0;
  records = 0;
  /** First record of each operation; null while operation i is record i. */
  recordOf: Int32Array | null = null;
  /** Operations that were refused before they could run. */
  errors: Map<number, ProblemItem> | null = null;
  private readonly host: Host;
  /** The largest object that the server and this heap accept. */
  readonly maxObject: number;

  constructor(host: Host, maxObject: number, expected: number) {
    this.host = host;
    this.maxObject = Math.min(maxObject, largestObject(host));
    this.words = new Int32Array(Math.max(16, expected) * 4);
  }

  /** Forgets everything but the memory. */
  reset(): void {
    this.ops = 0;
    this.records = 0;
    this.recordOf = null;
    this.errors = null;
  }

  /** Adds one operation. Never throws for what a client sent. `base`, `earlier`: for streams, see ndjson.ts. */
  add(op: unknown, base = 0, earlier?: Earlier): void {
    if (this.recordOf !== null) this.noteRecord();
    if (typeof op === 'object' && op !== null) {
      const o = op as Record<string, unknown>;
      if (o.op === 'alloc') {
        this.alloc(o, base, earlier);
        return;
      }
      if (o.op === 'free') {
        this.free(o, base, earlier);
        return;
      }
    }
    const what = typeof op !== 'object' || op === null || Array.isArray(op) ? 'an object' : '"alloc" or "free"';
    const field = what === 'an object' ? '' : 'op';
    this.refuse(
      problemItem('validation-failed', `An operation's ${field || 'value'} must be ${what}.`, { field, allowed: what }),
    );
  }

  /** Adds an operation that is one record and was checked by the caller: `scan.ts`. */
  plain(a: number, b: number, c: number, d: number): void {
    this.push(a, b, c, d);
    this.ops++;
  }

  /** Takes the place of an operation that could not even be read. */
  refuse(item: ProblemItem): void {
    this.errors ??= new Map();
    this.errors.set(this.ops, item);
    this.push(BatchOp.free, 0, 0, 0);
    this.ops++;
  }

  private alloc(o: Record<string, unknown>, base: number, earlier?: Earlier) {
    const { size, noscan } = o;
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) {
      const allowed = `a whole number of bytes from 0 to ${this.maxObject}`;
      return this.refuse(problemItem('invalid-size', `"size" must be ${allowed}.`, { field: 'size', allowed }));
    }
    if (size > this.maxObject) {
      const { code, message, members } = objectTooLarge(size, this.maxObject);
      return this.refuse(problemItem(code, message, members));
    }
    let fields = 2;
    if (noscan !== undefined) {
      if (typeof noscan !== 'boolean') return this.bad('noscan', 'true or false');
      fields++;
    }
    let plain = true;
    for (const _ in o) {
      if (--fields < 0) {
        plain = false;
        break;
      }
    }
    if (plain) {
      // The common case: a size and perhaps noscan.
      const flags = noscan === false ? 0 : Flag.noscan;
      this.push(BatchOp.alloc | (flags << 8), noscan === false ? 1 : 0, size | 0, Math.floor(size / 2 ** 32));
      this.ops++;
      return;
    }
    this.allocWith(o, size, noscan as boolean | undefined, base, earlier);
  }

  /** An alloc with pointers, a site, a store, or no root. */
  private allocWith(o: Record<string, unknown>, size: number, noscan: boolean | undefined, base: number, e?: Earlier) {
    const { pointers, site, store, root } = o;
    for (const key in o) if (!ALLOC_KEYS.has(key)) return this.unknown(key, ALLOC_KEYS);
    if (pointers !== undefined && pointers !== 'all' && !areWords(pointers)) {
      return this.bad('pointers', `"all", or an array of at most ${MAX_POINTERS} word numbers`);
    }
    if (site !== undefined && !isSite(site)) return this.bad('site', SITE_WORDS);
    if (root !== undefined && typeof root !== 'boolean') return this.bad('root', 'true or false');
    let type: number;
    let id = 0;
    try {
      type = typeOf(this.host, size, noscan, pointers as number[] | 'all' | undefined);
      if (site !== undefined) id = siteId(this.host, site as string | string[]);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return this.refuse(problemItem(error.code, error.message, error.members));
    }
    const late = root === false && store !== undefined;
    const flags = allocFlags(type, late ? undefined : (root as boolean | undefined));
    if (id === 0 && store === undefined) {
      this.push(BatchOp.alloc | (flags << 8), type, size | 0, Math.floor(size / 2 ** 32));
      this.ops++;
      return;
    }
    let target: { word: number; refs: number; lo: number; hi: number } | null = null;
    if (store !== undefined) {
      if (typeof store !== 'object' || store === null) return this.bad('store', 'an object');
      const to = store as Record<string, unknown>;
      for (const key in to) if (!STORE_KEYS.has(key)) return this.unknown(`store.${brief(key)}`, STORE_KEYS);
      const { word } = to;
      if (typeof word !== 'number' || !Number.isInteger(word) || word < 0 || word > 2 ** 27) {
        return this.bad('store.word', 'a whole number from 0 to 134217728');
      }
      const refs = this.target(to, 'store.', base, e);
      if (refs < 0) return;
      target = { word, refs, lo: address.lo, hi: address.hi };
    }
    const first = this.records;
    this.spread();
    this.push(BatchOp.alloc | (flags << 8), type, size | 0, Math.floor(size / 2 ** 32));
    if (id !== 0) this.push(BatchOp.site, id, 0, 0);
    if (target !== null) {
      this.push(BatchOp.store | target.refs, target.word, target.lo, target.hi);
      if (late) this.push(BatchOp.free | BY_REF, 0, first, 0);
    }
    this.ops++;
  }

  private free(o: Record<string, unknown>, base: number, earlier?: Earlier) {
    const { reuse } = o;
    let op: number = BatchOp.free;
    if (reuse !== undefined) {
      if (reuse === 'immediate') op = FREE_IMMEDIATE;
      else if (reuse !== 'sweep') return this.bad('reuse', '"sweep" or "immediate"');
    }
    for (const key in o) if (!FREE_KEYS.has(key)) return this.unknown(key, FREE_KEYS);
    const refs = this.target(o, '', base, earlier);
    if (refs < 0) return;
    this.push(op | refs, 0, address.lo, address.hi);
    this.ops++;
  }

  /** Leaves the address or the record of `address` or `ref` in `lo`, `hi`; the flag that tells which, or -1: refused. */
  private target(o: Record<string, unknown>, prefix: string, base: number, earlier?: Earlier): number {
    const { ref } = o;
    if (ref === undefined) {
      if (parseAddress(o.address)) return 0;
      const allowed = 'a string of "0x" and 1 to 16 lower-case hexadecimal digits';
      const field = `${prefix}address`;
      this.refuse(problemItem('invalid-address', `"${field}" must be ${allowed}.`, { field, allowed }));
      return -1;
    }
    if (o.address !== undefined) {
      this.bad(`${prefix}ref`, 'left out where there is an address');
      return -1;
    }
    const index = typeof ref === 'number' && Number.isInteger(ref) ? ref - base : Number.NaN;
    if (index < 0 && ref !== undefined && (ref as number) >= 0 && earlier?.(ref as number)) return 0;
    if (index >= 0 && index < this.ops && !this.errors?.has(index)) {
      address.set(this.recordOf === null ? index : this.recordOf[index], 0);
      return BY_REF;
    }
    const field = `${prefix}ref`;
    const detail = `${quote(ref)} names no earlier alloc of this batch.`;
    this.refuse(problemItem('invalid-reference', detail, { field, allowed: 'the index of an earlier alloc' }));
    return -1;
  }

  private bad(field: string, allowed: string): void {
    this.refuse(problemItem('validation-failed', `"${field}" must be ${allowed}.`, { field, allowed }));
  }

  private unknown(name: string, known: ReadonlySet<string>): void {
    const field = brief(name);
    const detail = `The operation has a field ${quote(field)} that it does not know.`;
    this.refuse(problemItem('unknown-field', detail, { field, allowed: [...known] }));
  }

  private push(a: number, b: number, c: number, d: number): void {
    const at = this.records++ * 4;
    if (at === this.words.length) {
      const wider = new Int32Array(at * 2);
      wider.set(this.words);
      this.words = wider;
    }
    const w = this.words;
    w[at] = a;
    w[at + 1] = b;
    w[at + 2] = c;
    w[at + 3] = d;
  }

  /** From here on an operation may be more than one record. */
  private spread(): void {
    if (this.recordOf !== null) return;
    this.recordOf = new Int32Array(Math.max(16, this.words.length / 4));
    for (let i = 0; i <= this.ops; i++) this.recordOf[i] = i;
  }

  private noteRecord(): void {
    let map = this.recordOf as Int32Array;
    if (this.ops >= map.length) {
      const wider = new Int32Array(map.length * 2);
      wider.set(map);
      this.recordOf = map = wider;
    }
    map[this.ops] = this.records;
  }
}

const ALLOC_KEYS: ReadonlySet<string> = new Set(['op', 'size', 'noscan', 'pointers', 'site', 'store', 'root']);
const FREE_KEYS: ReadonlySet<string> = new Set(['op', 'address', 'ref', 'reuse']);
const STORE_KEYS: ReadonlySet<string> = new Set(['address', 'ref', 'word']);

function areWords(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length > MAX_POINTERS) return false;
  return value.every((w) => typeof w === 'number' && Number.isInteger(w) && w >= 0 && w <= 2 ** 25);
}

function isSite(value: unknown): value is string | string[] {
  if (typeof value === 'string') return value !== '' && value.length <= MAX_SITE;
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_FRAMES) return false;
  return value.every((frame) => typeof frame === 'string' && frame !== '' && !frame.includes(';'));
}
