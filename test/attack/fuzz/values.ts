/**
 * Values: right ones from a schema, and wrong ones from experience.
 *
 * Right ones follow the schema; where a schema cannot say what makes a request succeed (which
 * addresses are live, how much load a test may start), `hints.ts` says it instead. `Ref` stands for
 * something of the server's state and becomes a value when the request is sent.
 */

import fc, { type Arbitrary } from 'fast-check';
import type { Schema } from './document.js';

export type RefKind = 'heap' | 'address' | 'span' | 'spanCursor' | 'arenaCursor' | 'workload' | 'replay';

/** The `n`th of what is known of this kind. */
export class Ref {
  readonly kind: RefKind;
  readonly n: number;

  constructor(kind: RefKind, n: number) {
    this.kind = kind;
    this.n = n;
  }
}

export const ref = (kind: RefKind): Arbitrary<Ref> => fc.nat(299).map((n) => new Ref(kind, n));

/** Of a member of a value, by its name: an arbitrary to take instead of what its schema says. */
export type Hint = (name: string, schema: Schema) => Arbitrary<unknown> | undefined;

function ofNumber(schema: Schema): Arbitrary<number> {
  const { minimum, maximum, exclusiveMinimum } = schema as Record<string, number | undefined>;
  const min = minimum ?? exclusiveMinimum ?? 0;
  if (schema.type === 'integer') {
    const max = Math.min(maximum ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const near = Math.min(max, min + 64);
    return fc.oneof(
      { arbitrary: fc.integer({ min, max: near }), weight: 6 },
      fc.integer({ min, max }),
      fc.constant(max),
    );
  }
  return fc.double({ min, minExcluded: exclusiveMinimum !== undefined, max: maximum ?? 1e9, noNaN: true });
}

function ofString(schema: Schema): Arbitrary<string> {
  const { minLength = 0, maxLength = 64 } = schema as Record<string, number | undefined>;
  if (typeof schema.pattern === 'string') {
    return fc.stringMatching(new RegExp(schema.pattern), { maxLength: Math.min(maxLength, 64) });
  }
  return fc.string({ minLength, maxLength: Math.min(maxLength, 64), unit: 'grapheme' });
}

/** Values that a schema allows. Members that may be left out are. */
export function valid(schema: Schema, hint: Hint = () => undefined): Arbitrary<unknown> {
  const examples = schema.examples as unknown[] | undefined;
  const plain = fromType(schema, hint);
  return examples === undefined ? plain : fc.oneof(plain, fc.constantFrom(...examples));
}

function fromType(schema: Schema, hint: Hint): Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  const branches = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
  if (branches !== undefined) return fc.oneof(...branches.map((branch) => valid(branch, hint)));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'integer':
    case 'number':
      return ofNumber(schema);
    case 'string':
      return ofString(schema);
    case 'boolean':
      return fc.boolean();
    case 'array': {
      const { minItems = 0, maxItems = 8 } = schema as Record<string, number | undefined>;
      return fc.array(valid(schema.items as Schema, hint), { minLength: minItems, maxLength: Math.min(maxItems, 8) });
    }
    case 'object': {
      const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
      const required = ((schema.required ?? []) as string[]).filter((name) =>
        properties.some(([each]) => each === name),
      );
      const members = properties.map(([name, each]) => [name, hint(name, each) ?? valid(each, hint)]);
      return fc.record(Object.fromEntries(members) as Record<string, Arbitrary<unknown>>, { requiredKeys: required });
    }
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
}

/** What no answer may have: some odd texts try to make it one. */
export const PROBE_HEADER = 'x-fuzz';

/** Text that programs have stumbled over. */
export const oddText: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-0',
    '-1',
    '1e9',
    '1e999',
    '0x',
    '0x0',
    '0xffffffffffffffff',
    '0xc000000001',
    '0XC000000000',
    '9007199254740993',
    '18446744073709551616',
    'NaN',
    'Infinity',
    'null',
    'undefined',
    'true',
    '[object Object]',
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'toString',
    '..',
    '../../../etc/passwd',
    '..\\..\\',
    '%2e%2e%2f',
    '#{7*7}',
    '{{7*7}}',
    "' OR 1=1 --",
    '<script>alert(1)</script>',
    `a\r\n${PROBE_HEADER}: 1\r\n\r\nb`,
    '\u0000',
    '\ud800',
    '\ufeff',
    '\u202e',
    'é',
    'e\u0301',
    '😀',
    'ﬀ',
    'İ',
    '-999999999999999999999',
    '1GiB',
    '999999999999EiB',
    'off',
    'all',
  ),
  fc.string({ maxLength: 40, unit: 'binary' }),
  fc.string({ maxLength: 40 }),
  fc.nat(3000).map((n) => 'a'.repeat(n)),
);

/** JSON that no schema of ours allows, mostly. */
export const oddValue: Arbitrary<unknown> = fc.oneof(
  oddText,
  fc.constantFrom(
    null,
    true,
    false,
    [],
    {},
    [[]],
    [null],
    0,
    -0,
    -1,
    0.5,
    1e308,
    -1e308,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 63,
    2 ** 64,
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.jsonValue({ maxDepth: 3 }),
  ref('address'),
);
