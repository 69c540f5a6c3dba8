/**
 * From what the scheduler and the allocator say to what a client reads.
 *
 * A `SchedError` (the operation did not run, or its M died) becomes a `Problem`; a `Status` (the operation ran and
 * refused) becomes an error code. Both mappings are total, so that nothing falls through to `internal`.
 */

import { Status } from '../heap/objects.js';
import { SchedError } from '../sched/host-api.js';
import type { ErrorCode } from './errors.js';
import { Problem, type ProblemMembers } from './problem.js';

/** The problem of whatever `submit`, `take` or `done` reported; other errors pass through. */
export function schedProblem(error: unknown, procs?: number): Error {
  if (!(error instanceof SchedError)) return error as Error;
  const detail = sentence(error.message);
  switch (error.code) {
    case 'invalid-p': {
      const allowed = procs === undefined ? 'a P of the heap' : `a whole number from 0 to ${procs - 1}`;
      return new Problem('invalid-p', detail, { field: 'p', allowed });
    }
    case 'm-died': {
      const { happened, completed } = error;
      return new Problem('m-died', detail, { happened, completed }, { 'retry-after': '1' });
    }
    default:
      return new Problem(error.code, detail, {}, { 'retry-after': '1' });
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const CODES: readonly ErrorCode[] = (() => {
  const codes: ErrorCode[] = [];
  codes[Status.outside] = 'address-outside-heap';
  codes[Status.notAllocated] = 'never-allocated';
  codes[Status.interior] = 'interior-address';
  codes[Status.alreadyFreed] = 'already-freed';
  codes[Status.exhausted] = 'reservation-exhausted';
  codes[Status.notPointerWord] = 'not-pointer-word';
  codes[Status.outOfRange] = 'outside-object';
  codes[Status.badPointer] = 'invalid-pointer';
  return codes;
})();

export function statusCode(status: number): ErrorCode {
  return CODES[status] ?? 'internal';
}

/** What happened, in a sentence about `address`. */
export function statusDetail(status: number, address: string): string {
  switch (status) {
    case Status.outside:
      return `${address} lies outside this heap.`;
    case Status.notAllocated:
      return `No object is allocated at ${address}.`;
    case Status.interior:
      return `${address} is not the beginning of an object.`;
    case Status.alreadyFreed:
      return `The object at ${address} was freed before.`;
    case Status.exhausted:
      return 'The reservation of the heap has no free pages left for this.';
    case Status.notPointerWord:
      return `That word of the object at ${address} holds no pointer.`;
    case Status.outOfRange:
      return `The bytes go past the end of the object at ${address}.`;
    case Status.badPointer:
      return 'The pointer refers to no object of this heap.';
    default:
      return `The operation on ${address} failed with status ${status}.`;
  }
}

export function statusProblem(status: number, address: string, members?: ProblemMembers): Problem {
  return new Problem(statusCode(status), statusDetail(status, address), members);
}
