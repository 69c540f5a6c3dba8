/**
 * Whether an allocation of a Go program has pointers, from the comment `# class type` behind it.
 *
 * The type is the name of the allocation's element type, as the runtime prints it, or `-` where it has none: that is what `mallocgc` is given for memory
 * without pointers. A name tells for sure what is built into the language; a struct of some package's does not tell what is in it, and
 * its objects stay plain.
 *
 * A recording has a few hundred types and a million lines, so names are interned by their bytes: one hash and one comparison each.
 */

import { Kind } from '../events.js';
import { SPACE } from './reader.js';

const MAX_TYPES = 4096;
const DASH = 45;

/** What Go's own packages have, where it matters and has long been so. */
const KNOWN = new Map<string, number>([
  ['unsafeheader.Slice', Kind.allocScan],
  ['unsafeheader.String', Kind.allocScan],
  ['errors.errorString', Kind.allocScan],
  ['runtime.sliceInterfacePtr', Kind.allocScan],
  ['runtime.stringInterfacePtr', Kind.allocScan],
  ['bytes.Buffer', Kind.allocScan],
  ['strings.Builder', Kind.allocScan],
  ['reflect.Value', Kind.allocScan],
  ['time.Time', Kind.allocScan],
  ['time.Duration', Kind.allocNoscan],
  ['sync.Mutex', Kind.allocNoscan],
]);

const NUMBERS = /^(u?int(8|16|32|64|ptr)?|float(32|64)|complex(64|128)|bool|byte|rune)$/;
const POINTERS = /^(\*|\[\]|map\[|chan |<-chan |chan<- |func\(|interface \{|(string|error|any|unsafe\.Pointer)$)/;

export class GoTypes {
  /** By hash of the name. */
  private readonly names = new Map<number, { bytes: Uint8Array; kind: number }>();

  /** The kind of an allocation whose comment is b[start, end), without its `#`. */
  kindOf(b: Uint8Array, start: number, end: number): number {
    // The class comes first; frees and other comments have no type.
    let at = start;
    while (at < end && b[at] === SPACE) at++;
    while (at < end && b[at] !== SPACE) at++;
    while (at < end && b[at] === SPACE) at++;
    if (at === end) return Kind.alloc;
    if (b[at] === DASH && at + 1 === end) return Kind.allocNoscan;
    let hash = end - at;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ b[i], 0x01000193);
    const known = this.names.get(hash);
    if (known !== undefined && same(known.bytes, b, at, end)) return known.kind;
    const bytes = b.slice(at, end);
    const kind = kindOfType(Buffer.from(bytes).toString('utf8'));
    if (this.names.size < MAX_TYPES) this.names.set(hash, { bytes, kind });
    return kind;
  }
}

/** allocScan, allocNoscan, or alloc where the name does not tell. */
export function kindOfType(name: string): number {
  if (NUMBERS.test(name)) return Kind.allocNoscan;
  if (POINTERS.test(name)) return Kind.allocScan;
  const array = /^\[(\d+)\](.+)$/.exec(name);
  if (array !== null) return array[1] === '0' ? Kind.allocNoscan : kindOfType(array[2]);
  const struct = /^struct \{ (.+) \}$/.exec(name);
  if (struct !== null) return kindOfAll(fieldTypes(struct[1]));
  return KNOWN.get(name) ?? Kind.alloc;
}

/** Pointers anywhere make it scan; without any for sure it is noscan. */
function kindOfAll(types: string[]): number {
  const kinds = types.map(kindOfType);
  if (kinds.includes(Kind.allocScan)) return Kind.allocScan;
  return kinds.includes(Kind.alloc) ? Kind.alloc : Kind.allocNoscan;
}

/** `F uintptr; wg *sync.WaitGroup` → the types. Fields inside braces or brackets belong to a field's own type. */
function fieldTypes(fields: string): string[] {
  const types: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= fields.length; i++) {
    const c = fields[i];
    if (c === '{' || c === '(' || c === '[') depth++;
    else if (c === '}' || c === ')' || c === ']') depth--;
    else if (i === fields.length || (c === ';' && depth === 0)) {
      const field = fields.slice(from, i).trim();
      types.push(field.slice(field.indexOf(' ') + 1));
      from = i + 1;
    }
  }
  return types;
}

function same(name: Uint8Array, b: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== b[start + i]) return false;
  return true;
}
