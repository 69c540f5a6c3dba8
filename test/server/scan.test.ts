/** The batch scanner's memory of earlier operations: it must not depend on bytes that are not its own. */

import { describe, expect, it } from 'vitest';
import { Scanner } from '../../src/server/batch/scan.js';

interface Plain {
  ops: number;
  records: number[][];
  plain: (a: number, b: number, c: number, d: number) => void;
}

function sink(): Plain {
  const s: Plain = {
    ops: 0,
    records: [],
    plain: (a, b, c, d) => {
      s.ops++;
      s.records.push([a, b, c, d]);
    },
  };
  return s;
}

function scan(scanner: Scanner, body: Buffer): number[][] | null {
  const s = sink();
  return scanner.scan(body, s as never, 100, 2 ** 30) ? s.records : null;
}

describe('Scanner', () => {
  it('reads a second operation as it would have read it first', () => {
    const bodies = [
      '{"ops":[{"op":"alloc","size":64},{"op":"alloc","size":65},{"op":"free","ref":0},{"op":"free","ref":1}]}',
      '{"ops":[{"size":64,"op":"alloc"},{"size":7,"op":"alloc","noscan":false},{"op":"free","ref":1,"reuse":"immediate"}]}',
      '{"ops":[{"op":"alloc","size":640} , {"op":"alloc","size":0}]}',
    ];
    const old = new Scanner();
    for (const body of [...bodies, ...bodies]) {
      expect(scan(old, Buffer.from(body))).toEqual(scan(new Scanner(), Buffer.from(body)));
    }
  });

  it('holds the limits for what it has seen before', () => {
    const scanner = new Scanner();
    expect(scan(scanner, Buffer.from('{"ops":[{"op":"alloc","size":64}]}'))).not.toBeNull();
    expect(scan(scanner, Buffer.from(`{"ops":[{"op":"alloc","size":${2 ** 30 + 1}}]}`))).toBeNull();
    expect(scan(scanner, Buffer.from('{"ops":[{"op":"alloc","size":64},{"op":"free","ref":0}]}'))).not.toBeNull();
    expect(scan(scanner, Buffer.from('{"ops":[{"op":"free","ref":0}]}'))).toBeNull();
    expect(scan(scanner, Buffer.from('{"ops":[{"op":"alloc","size":064}]}'))).toBeNull();
  });

  it('keeps copies, since the memory of a body is handed on', () => {
    const scanner = new Scanner();
    const body = Buffer.from('{"ops":[{"op":"alloc","size":64}]}');
    expect(scan(scanner, body)).not.toBeNull();
    body.fill('x');
    const forged = Buffer.from(`{"ops":[${'x'.repeat('{"op":"alloc","size":'.length)}64x]}`);
    expect(scan(scanner, forged)).toBeNull();
  });
});
