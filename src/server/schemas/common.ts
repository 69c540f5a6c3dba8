/**
 * The small schemas that every resource shares: heap names, addresses, counts of bytes.
 *
 * Two annotations of our own tell the validator (`validation.ts`) how to speak of a value: `x-problem` is the error
 * code to answer instead of `validation-failed`, and `x-allowed` says in words what the value may be, where the schema
 * itself would only show a regular expression. OpenAPI permits `x-` keywords, so both also appear in the document.
 */

import { type Static, type TSchema, Type } from '@fastify/type-provider-typebox';

export const HEAP_NAME_PATTERN = '^[a-z0-9][a-z0-9_-]{0,62}$';

export const HeapName = Type.String({
  maxLength: 63,
  pattern: HEAP_NAME_PATTERN,
  description: 'The name of a heap',
  examples: ['default'],
  'x-problem': 'invalid-heap-name',
  'x-allowed': '1 to 63 characters: lower-case letters, digits, "-" and "_", beginning with a letter or a digit',
});

/** The path parameters of everything under `/v1/heaps/{heap}`. */
export const HeapParams = Type.Object({ heap: HeapName });
export type HeapParams = Static<typeof HeapParams>;

export const Address = Type.String({
  maxLength: 18,
  pattern: '^0x[0-9a-f]{1,16}$',
  description: 'The address of an object, as alloc answered it',
  examples: ['0xc000012040'],
  'x-problem': 'invalid-address',
  'x-allowed': 'a string of "0x" and 1 to 16 lower-case hexadecimal digits',
});

/** A count of bytes in an answer. */
export const Bytes = (description: string) => Type.Integer({ minimum: 0, description });

/** A shared schema (one with an `$id`, see `index.ts`) by reference, with its type: `shared(SettingsInput)`. */
export function shared<T extends TSchema>(schema: T) {
  return Type.Unsafe<Static<T>>(Type.Ref((schema as { $id?: string }).$id as string));
}
