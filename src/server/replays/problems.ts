/**
 * From what the replay says of a recording to what a client reads.
 *
 * Readers have many codes, one for each thing that can be wrong; clients branch on a few. The words of the reader, which say where it is wrong
 * and what would be right, become the `detail`. The mapping is total: what is not known here is a mistake of ours.
 */

import { ReplayInputError } from '../../replay/events.js';
import { isScarcity } from '../../threads/scarcity.js';
import { ThreadError } from '../../threads/thread.js';
import { type ErrorCode, isErrorCode } from '../errors.js';
import { Problem, retryLater } from '../problem.js';
import { brief } from '../quote.js';

/** Characters of what a reader says: it quotes lines of the recording. */
const MAX_DETAIL = 1000;

/** Codes of readers that clients know under a broader name. */
const BROADER: Record<string, ErrorCode> = {
  'replay-unknown-format': 'replay-format',
  'replay-zip': 'replay-format',
  'replay-zstd-window': 'replay-format',
  'replay-heaptrack-raw': 'replay-format',
  'replay-heaptrack-version': 'replay-format',
  'replay-profile-kind': 'replay-format',
  'replay-profile-period': 'replay-format',
  'replay-profile-empty': 'replay-empty',
  'replay-profile-implausible': 'replay-damaged',
  'replay-profile-negative': 'replay-damaged',
  'replay-size': 'replay-damaged',
  'replay-truncated': 'replay-damaged',
  'replay-upload': 'incomplete-body',
  'replay-saved': 'replay-trace-gone',
};

/** What any POST of a replay may be told of its recording. */
export const RECORDING_PROBLEMS = [
  'replay-empty',
  'replay-format',
  'replay-damaged',
  'replay-bomb',
  'replay-too-large',
  'replay-too-many-events',
  'replay-too-many-objects',
  'replay-memory',
  'replay-timed-out',
  'replay-spool',
  'replay-failed',
  'overloaded',
] as const satisfies readonly ErrorCode[];

export function sentence(text: string): string {
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}

const SCARCE = 'The system has no thread, file descriptor or memory left to do it now.';

/**
 * The problem of a thread that was not to be had, or took more memory than it may; undefined for
 * everything else.
 */
export function threadProblem(error: unknown): Problem | undefined {
  if (isScarcity(error)) return retryLater('overloaded', SCARCE);
  if (!(error instanceof ThreadError) || error.why === 'died') return undefined;
  if (error.why === 'start') return retryLater('overloaded', SCARCE);
  const { limit } = error;
  const most = `${Math.round(limit / 2 ** 20)} MiB`;
  return new Problem('replay-memory', `A thread may use ${most} of memory for this, and it took more.`, { limit });
}

/** The problem of whatever ended a parse or a simulation. `unexpected`: the log should have it. */
export function replayProblem(error: unknown): { problem: Problem; unexpected: boolean } {
  if (error instanceof Problem) return { problem: error, unexpected: false };
  const known = threadProblem(error);
  if (known !== undefined) return { problem: known, unexpected: error instanceof ThreadError && error.why === 'start' };
  if (error instanceof ReplayInputError && error.code !== 'replay-failed') {
    if (error.code === 'replay-scarcity') return { problem: retryLater('overloaded', SCARCE), unexpected: false };
    const code = Object.hasOwn(BROADER, error.code) ? BROADER[error.code] : error.code;
    if (isErrorCode(code))
      return { problem: new Problem(code, sentence(brief(error.message, MAX_DETAIL))), unexpected: false };
  }
  const detail = 'The thread that worked on the recording ended unexpectedly; the log has the details.';
  return { problem: new Problem('replay-failed', detail), unexpected: true };
}

/** The problem of a failed write to the data directory. */
export function diskProblem(error: unknown): Problem {
  if (isScarcity(error)) return retryLater('overloaded', SCARCE);
  const { code, message } = error as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' ? 'the disk is full' : code === 'EACCES' ? 'permission denied' : (code ?? message);
  return new Problem('replay-disk', `The data directory cannot be written: ${why}.`);
}
