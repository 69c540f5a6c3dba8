/**
 * Faults that are known and being mended elsewhere: the only place where the fuzzer is tolerant.
 *
 * Each entry names what to remove it with. An empty list is the goal; an entry that nothing needs
 * any more is to go.
 */

import type { Fault } from './judge.js';

export interface KnownFault {
  /** What mends it. */
  until: string;
  covers(fault: Fault): boolean;
}

const undeclared = (fault: Fault): boolean => fault.kind === 'undeclared status' || fault.kind === 'undeclared code';

export const KNOWN: readonly KnownFault[] = [
  {
    // Any request may meet these, whatever its operation: none of them is listed.
    until: 'problemsOf lists what the HTTP server itself answers',
    covers: (fault) =>
      undeclared(fault) && /^(?:bad-request|request-timeout|uri-too-long|headers-too-large)$/.test(fault.code),
  },
  {
    until: 'problemsOf lists heap-deleted for every operation of a heap',
    covers: (fault) => undeclared(fault) && fault.code === 'heap-deleted',
  },
  {
    until: 'problemsOf lists unknown-field for every operation with a query',
    covers: (fault) => undeclared(fault) && fault.code === 'unknown-field',
  },
  {
    // Fastify reads the body of a DELETE, though it means nothing.
    until: 'problemsOf lists the problems of a body for DELETE',
    covers: (fault) =>
      undeclared(fault) &&
      /^(?:delete|stop)/.test(fault.operation) &&
      /^(?:invalid-json|incomplete-body|body-too-large|unsupported-media-type)$/.test(fault.code),
  },
];

export const known = (fault: Fault): boolean => KNOWN.some((each) => each.covers(fault));
