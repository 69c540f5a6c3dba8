/** The headers Range and Content-Range of RFC 9110, as far as one range of bytes. */

import { Problem } from './problem.js';

export interface ByteRange {
  /** First and last byte. */
  from: number;
  to: number;
}

/** What a Range header asks for; undefined is the whole, which is also the answer to what is no single byte range. */
export function range(header: string | undefined, size: number): ByteRange | undefined {
  const match =
    header === undefined ? null : /^bytes=(?:([0-9]{1,15})-([0-9]{1,15})?|-([0-9]{1,15}))$/.exec(header.trim());
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  const from = suffix === undefined ? Number(first) : Math.max(0, size - Number(suffix));
  const to = suffix !== undefined || last === undefined ? size - 1 : Math.min(size - 1, Number(last));
  if (last !== undefined && Number(last) < from) return undefined;
  if (from >= size || Number(suffix) === 0) {
    const headers = { 'content-range': `bytes */${size}` };
    throw new Problem('range-not-satisfiable', `The object has ${size} bytes.`, { limit: size }, headers);
  }
  return { from, to };
}

/** Where a Content-Range header says that the body goes. */
export function contentRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/(?:\*|[0-9]{1,15})$/.exec(header.trim());
  if (match === null || Number(match[2]) < Number(match[1])) {
    const allowed = 'bytes FIRST-LAST/* or bytes FIRST-LAST/SIZE';
    throw new Problem('validation-failed', `Content-Range must be ${allowed}.`, { field: 'content-range', allowed });
  }
  return { from: Number(match[1]), to: Number(match[2]) };
}
