/**
 * A snapshot of a heap as a `.heapsnapshot` file: the format of V8, which Chrome's DevTools open (Memory, Load).
 *
 *     (root) ──► a group for each site ──► its rooted objects ──► what they point to ──► …
 *            └─► a note, if not all of the heap is in the file
 *
 * Objects that hold pointers are of type `object`, the others `native`: under these DevTools sorts by name, and the
 * name is the innermost frame of the object's site, or its slot's size where it has none. The sizes are those of slots.
 * An edge has the number of the pointer word. V8's ids are unsigned 32-bit numbers, an address is longer:
 *
 *     id = (address - 0xc000000000) / 4 + 1        odd; the same object has it in each snapshot of its heap
 *
 * The ids of root, groups and note are even. A file has seven numbers for each node and three for each edge in two
 * flat arrays, where an edge names a node by the position of its first number; its strings stand at the end, each
 * once. `META` is word for word what Node 20 writes (`v8.getHeapSnapshot`), the unused parts included.
 *
 * A file may have a hundred megabytes: it is written piece by piece, each a fraction of a millisecond's work, straight
 * into bytes. Who takes the pieces decides when (`snapshot-stream.ts`).
 */

import {
  N_EDGES,
  N_FLAGS,
  N_WORD,
  N_WORDS,
  NODE_WORDS,
  NOSCAN,
  SITE_SHIFT,
  type SnapshotCounts,
} from '../gc/snapshot.js';

export const META = {
  node_fields: ['type', 'name', 'id', 'self_size', 'edge_count', 'trace_node_id', 'detachedness'],
  node_types: [
    [
      'hidden',
      'array',
      'string',
      'object',
      'code',
      'closure',
      'regexp',
      'number',
      'native',
      'synthetic',
      'concatenated string',
      'sliced string',
      'symbol',
      'bigint',
      'object shape',
      'wasm object',
    ],
    'string',
    'number',
    'number',
    'number',
    'number',
    'number',
  ],
  edge_fields: ['type', 'name_or_index', 'to_node'],
  edge_types: [
    ['context', 'element', 'property', 'internal', 'hidden', 'shortcut', 'weak'],
    'string_or_number',
    'node',
  ],
  trace_function_info_fields: ['function_id', 'name', 'script_name', 'script_id', 'line', 'column'],
  trace_node_fields: ['id', 'function_info_index', 'count', 'size', 'children'],
  sample_fields: ['timestamp_us', 'last_assigned_id'],
  location_fields: ['object_index', 'script_id', 'line', 'column'],
} as const;

const OBJECT = META.node_types[0].indexOf('object');
const NATIVE = META.node_types[0].indexOf('native');
const SYNTHETIC = META.node_types[0].indexOf('synthetic');
const ELEMENT = META.edge_types[0].indexOf('element');
const FIELDS = META.node_fields.length;

export const NO_SITE = '(no site)';

/** Readers keep a size in 32 bits. */
const MAX_SIZE = 2 ** 32 - 1;

/** Bytes of a piece. */
const PIECE = 64 << 10;
/** A node or an edge has fewer. */
const LONGEST = 128;

/** What `gc/snapshot.ts` wrote, in memory of our own. */
export interface Graph extends SnapshotCounts {
  /** The region's parts, no longer than what is in them. */
  readonly parts: { nodes: Int32Array; edges: Int32Array; rooted: Int32Array; groups: Int32Array };
}

/** Numbers as bytes. */
class Digits {
  private bytes = Buffer.allocUnsafe(PIECE);
  private at = 0;

  get full(): boolean {
    return this.at > PIECE - LONGEST;
  }

  /** What was written since the last time. */
  take(): Buffer {
    const piece = this.bytes.subarray(0, this.at);
    this.bytes = Buffer.allocUnsafe(PIECE);
    this.at = 0;
    return piece;
  }

  text(ascii: string): void {
    this.at += this.bytes.write(ascii, this.at, 'latin1');
  }

  byte(b: number): void {
    this.bytes[this.at++] = b;
  }

  /** A whole number from 0 to 2^32 - 1, and what stands before it. */
  number(before: number, n: number): void {
    const { bytes } = this;
    bytes[this.at++] = before;
    let length = 1;
    for (let least = 10; n >= least; least *= 10) length++;
    let left = n;
    for (let i = this.at + length - 1; i > this.at; i--) {
      const tenth = Math.floor(left / 10);
      bytes[i] = 48 + left - tenth * 10;
      left = tenth;
    }
    bytes[this.at] = 48 + left;
    this.at += length;
  }
}

const COMMA = 44;
const NEWLINE = 10;
const SPACE = 32;

export class HeapSnapshotFile {
  private readonly g: Graph;
  private readonly siteName: (id: number) => string | undefined;
  private readonly note: string | undefined;
  private readonly digits = new Digits();
  private readonly strings: string[] = [];
  private readonly indices = new Map<string, number>();
  /** Index of a name, by site; by words of the slot × 2, + 1 without pointers. */
  private readonly bySite = new Map<number, number>();
  private readonly bySize = new Map<number, number>();
  /** Nodes before the objects. */
  private readonly before: number;
  private first = true;

  constructor(g: Graph, siteName: (id: number) => string | undefined) {
    this.g = g;
    this.siteName = siteName;
    this.note = g.truncated
      ? `(truncated: ${g.nodes} of ${g.live} objects and ${g.edges} pointers, from the roots on)`
      : undefined;
    this.before = 1 + g.groups + (this.note === undefined ? 0 : 1);
    this.string('<dummy>');
  }

  /** The file. Pieces are of about equal length, whatever is in them. */
  *pieces(): Generator<Buffer> {
    const { g, before, digits } = this;
    const snapshot = {
      meta: META,
      node_count: before + g.nodes,
      edge_count: before - 1 + g.rooted + g.edges,
      trace_function_count: 0,
    };
    digits.text(`{"snapshot":${JSON.stringify(snapshot)},\n"nodes":[`);
    yield* this.nodes();
    digits.text('],\n"edges":[');
    this.first = true;
    yield* this.groupEdges();
    yield* this.objectEdges();
    digits.text('],\n"trace_function_infos":[],\n"trace_tree":[],\n"samples":[],\n"locations":[],\n"strings":[');
    yield digits.take();
    yield* this.stringTable();
  }

  private *nodes(): Generator<Buffer> {
    const { g, digits } = this;
    const { nodes, groups } = g.parts;
    let id = 2;
    this.node(SYNTHETIC, this.string(''), id, 0, this.before - 1);
    for (let i = 0; i < g.groups; i++) {
      if (digits.full) yield digits.take();
      const site = this.siteName(groups[i * 2]) ?? NO_SITE;
      this.node(SYNTHETIC, this.string(site), (id += 2), 0, groups[i * 2 + 1]);
    }
    if (this.note !== undefined) this.node(SYNTHETIC, this.string(this.note), id + 2, 0, 0);
    for (let at = 0; at < g.nodes * NODE_WORDS; at += NODE_WORDS) {
      if (digits.full) yield digits.take();
      const flags = nodes[at + N_FLAGS];
      const type = (flags & NOSCAN) === 0 ? OBJECT : NATIVE;
      const size = Math.min(nodes[at + N_WORDS] * 8, MAX_SIZE);
      const name = this.nameOf(flags, nodes[at + N_WORDS]);
      this.node(type, name, nodes[at + N_WORD] * 2 + 1, size, nodes[at + N_EDGES]);
    }
  }

  private *groupEdges(): Generator<Buffer> {
    const { g, digits, before } = this;
    const { groups, rooted } = g.parts;
    for (let i = 1; i < before; i++) {
      if (digits.full) yield digits.take();
      this.edge(i, i);
    }
    let next = 0;
    for (let i = 0; i < g.groups; i++) {
      for (let n = 0; n < groups[i * 2 + 1]; n++) {
        if (digits.full) yield digits.take();
        this.edge(n, before + rooted[next++]);
      }
    }
  }

  private *objectEdges(): Generator<Buffer> {
    const { g, digits, before } = this;
    const { edges } = g.parts;
    for (let at = 0; at < g.edges * 2; at += 2) {
      if (digits.full) yield digits.take();
      this.edge(edges[at], before + edges[at + 1]);
    }
  }

  private *stringTable(): Generator<Buffer> {
    let text = '';
    for (let i = 0; i < this.strings.length; i++) {
      text += `${i === 0 ? '' : ',\n'}${JSON.stringify(this.strings[i])}`;
      if (text.length < PIECE) continue;
      yield Buffer.from(text);
      text = '';
    }
    yield Buffer.from(`${text}]}\n`);
  }

  private node(type: number, name: number, id: number, size: number, edges: number): void {
    const { digits } = this;
    this.begin(type);
    digits.number(COMMA, name);
    digits.number(COMMA, id);
    digits.number(COMMA, size);
    digits.number(COMMA, edges);
    digits.number(COMMA, 0);
    digits.number(COMMA, 0);
  }

  private edge(index: number, to: number): void {
    this.begin(ELEMENT);
    this.digits.number(COMMA, index);
    this.digits.number(COMMA, to * FIELDS);
  }

  /** The first number of a node or an edge: it stands on a line of its own, as V8 writes it. */
  private begin(n: number): void {
    if (!this.first) this.digits.byte(NEWLINE);
    this.digits.number(this.first ? SPACE : COMMA, n);
    this.first = false;
  }

  private nameOf(flags: number, words: number): number {
    const site = flags >> SITE_SHIFT;
    if (site !== 0) {
      const known = this.bySite.get(site) ?? this.frameOf(site);
      if (known >= 0) return known;
    }
    const noscan = flags & NOSCAN;
    const key = words * 2 + (noscan === 0 ? 0 : 1);
    let name = this.bySize.get(key);
    if (name === undefined) {
      name = this.string(`${words * 8} B${noscan === 0 ? ' scan' : ''}`);
      this.bySize.set(key, name);
    }
    return name;
  }

  /** The innermost frame of a site; -1 if it has none. */
  private frameOf(site: number): number {
    const frame = this.siteName(site)
      ?.split(';')
      .findLast((part) => part !== '');
    const index = frame === undefined ? -1 : this.string(frame);
    this.bySite.set(site, index);
    return index;
  }

  private string(text: string): number {
    const known = this.indices.get(text);
    if (known !== undefined) return known;
    const index = this.strings.length;
    this.strings.push(text);
    this.indices.set(text, index);
    return index;
  }
}
