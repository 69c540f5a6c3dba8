/** Protobuf by hand: messages as no encoder would write them. */

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 0x80);
  }
}

export function number(field: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([field << 3]), varint(value)]);
}

/** A field with its length: text, a message, packed numbers. */
export function length(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(bytes.length), bytes]);
}

export function repeated(bytes: Uint8Array, times: number): Buffer {
  return Buffer.alloc(bytes.length * times, bytes);
}

/** What a heap profile of rate 1 begins with: the strings of its sample types, and those. */
export function types(): Buffer {
  const names = ['', 'alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space', 'count', 'bytes'];
  const kinds = [1, 2, 3, 4].map((type) => length(1, Buffer.concat([number(1, type), number(2, 5)])));
  return Buffer.concat([...kinds, ...names.map((name) => length(6, Buffer.from(name))), number(12, 1)]);
}
