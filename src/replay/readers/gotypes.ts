/**
 * Whether an allocation of a Go program has pointers, from the comment `# class type` behind it.
 *
 * The type is the name of the allocation's element type, as the runtime prints it, or `-` where it has none: that is what `mallocgc` is given for memory
 * without pointers. A name tells for sure what is built into the language; a struct of some package's does not tell what is in it, and
 * its objects stay plain.
 *
 * A recording has a few hundred types and a million lines, so names are interned by their bytes:
 * one hash and one comparison each. The hash begins with a random number, so that nobody can write
 * names that all have the same one.
 *
 * A name is read once, from left to right, however deep it nests: what a struct has is what its
 * fields have, and those of a struct in it likewise.
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
  private readonly seed = crypto.getRandomValues(new Int32Array(1))[0];

  /** The kind of an allocation whose comment is b[start, end), without its `#`. */
  kindOf(b: Uint8Array, start: number, end: number): number {
    // The class comes first; frees and other comments have no type.
    let at = start;
    while (at < end && b[at] === SPACE) at++;
    while (at < end && b[at] !== SPACE) at++;
    while (at < end && b[at] === SPACE) at++;
    if (at === end) return Kind.alloc;
    if (b[at] === DASH && at + 1 === end) return Kind.allocNoscan;
    let hash = this.seed ^ (end - at);
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
  return new TypeName(name).kind();
}

/** Longest name that has a meaning of its own: `unsafeheader.String` and such. */
const LONGEST = 32;
const STRUCT = 'struct { ';

class TypeName {
  private readonly name: string;
  private at = 0;
  /** Structs that are open. */
  private depth = 0;
  /** Some part may hold pointers; of some part it is not known. */
  private scan = false;
  private unknown = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Pointers anywhere make it scan; without any for sure it is noscan. */
  kind(): number {
    while (this.at < this.name.length && !this.scan) {
      if (!this.element()) {
        this.part();
        this.leave();
      }
    }
    if (this.scan) return Kind.allocScan;
    return this.unknown || this.depth > 0 ? Kind.alloc : Kind.allocNoscan;
  }

  /**
   * Goes into a type that consists of others, if one is here: `[4]T` is a T, `struct { a T; b U }`
   * begins with T.
   */
  private element(): boolean {
    const { name } = this;
    if (name.startsWith(STRUCT, this.at)) {
      this.depth++;
      this.at += STRUCT.length;
      this.field();
      return true;
    }
    if (name[this.at] !== '[') return false;
    let i = this.at + 1;
    while (isDigit(name.charCodeAt(i))) i++;
    if (i === this.at + 1 || name[i] !== ']') return false;
    const none = i === this.at + 2 && name[this.at + 1] === '0';
    this.at = i + 1;
    // None of them: whatever the type is, there are no pointers.
    if (none) {
      this.part(false);
      this.leave();
    }
    return true;
  }

  /** A type that has no parts, or whatever else is here, to the end of its field. */
  private part(counts = true): void {
    const { name } = this;
    const from = this.at;
    let inner = 0;
    for (; this.at < name.length; this.at++) {
      const c = name[this.at];
      if (c === '{' || c === '(' || c === '[') inner++;
      else if (this.depth > 0 && inner === 0 && (c === ';' || c === '}')) break;
      else if (c === '}' || c === ')' || c === ']') inner--;
    }
    if (!counts) return;
    const type = name.slice(from, Math.min(this.at, from + LONGEST + 2)).trimEnd();
    if (POINTERS.test(type)) this.scan = true;
    else if (!NUMBERS.test(type)) {
      const known = KNOWN.get(type) ?? Kind.alloc;
      if (known === Kind.allocScan) this.scan = true;
      else if (known === Kind.alloc) this.unknown = true;
    }
  }

  /** Behind a type: to that of the next field, out of as many structs as end here. */
  private leave(): void {
    const { name } = this;
    while (this.at < name.length) {
      const c = name[this.at];
      if (c === ' ') this.at++;
      else if (c === '}' && this.depth > 0) {
        this.depth--;
        this.at++;
      } else if (c === ';' && this.depth > 0) {
        this.at++;
        if (name[this.at] === ' ') this.at++;
        this.field();
        return;
      } else {
        // A tag behind a struct, or no Go at all.
        this.unknown = true;
        this.part(false);
        if (this.depth === 0) this.at = name.length;
      }
    }
  }

  /** Passes over the name of a field. An embedded one has none. */
  private field(): void {
    const { name } = this;
    let i = this.at;
    while (i < name.length && name[i] !== ' ' && name[i] !== ';' && name[i] !== '[' && name[i] !== '{') i++;
    if (name[i] === ' ' && name[i + 1] !== '}' && name[i + 1] !== undefined) this.at = i + 1;
  }
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

function same(name: Uint8Array, b: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== b[start + i]) return false;
  return true;
}
