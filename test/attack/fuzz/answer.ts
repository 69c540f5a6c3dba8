/**
 * Answers, read from the bytes of a connection.
 *
 * The attack tests send what no HTTP client would send, so they cannot use one; and what comes back
 * they must see as it is: several answers behind each other, bodies cut short, connections that
 * close. This reads HTTP/1.1 responses as RFC 9112 frames them, and nothing more: it decodes no
 * content, follows nothing, forgives nothing. What is no response at all is an error.
 */

export interface Answer {
  status: number;
  /** Names in lower case; several of one name are joined with ", ". */
  headers: Record<string, string>;
  body: Buffer;
  /** False when the connection ended, or the reader had enough, before the body did. */
  complete: boolean;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** Of a chunked body from `at`: its bytes so far, and where it ends, if it does. */
function chunks(bytes: Buffer, at: number): { body: Buffer; end: number | undefined } {
  const parts: Buffer[] = [];
  let from = at;
  for (;;) {
    const line = bytes.indexOf('\r\n', from);
    if (line < 0) break;
    const size = bytes.toString('latin1', from, line).split(';', 1)[0];
    if (!/^[0-9a-f]{1,8}$/i.test(size)) throw new Error(`no size of a chunk: ${JSON.stringify(size.slice(0, 80))}`);
    const length = Number.parseInt(size, 16);
    if (length === 0) {
      // This server sends no trailers.
      if (bytes.length < line + 4) break;
      if (bytes.toString('latin1', line, line + 4) !== '\r\n\r\n') throw new Error('no end of a chunked body');
      return { body: Buffer.concat(parts), end: line + 4 };
    }
    parts.push(bytes.subarray(line + 2, Math.min(bytes.length, line + 2 + length)));
    from = line + 2 + length + 2;
    if (bytes.length < from) break;
    if (bytes.toString('latin1', from - 2, from) !== '\r\n') throw new Error('a chunk does not end with its line');
  }
  return { body: Buffer.concat(parts), end: undefined };
}

function headOf(text: string): Pick<Answer, 'status' | 'headers'> {
  const [first, ...lines] = text.split('\r\n');
  const match = /^HTTP\/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]*$/.exec(first);
  if (match === null) throw new Error(`no status line: ${JSON.stringify(first.slice(0, 200))}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s.exec(line);
    if (field === null) throw new Error(`no header: ${JSON.stringify(line.slice(0, 200))}`);
    const name = field[1].toLowerCase();
    headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${field[2]}` : field[2];
  }
  return { status: Number(match[1]), headers };
}

/**
 * The first answer in `bytes` to a request of this method, and what stands behind it; undefined
 * while it is not whole. `ended`: nothing more comes, so that what there is of it counts. Interim
 * answers (1xx) are skipped.
 */
export function firstAnswer(
  bytes: Buffer,
  method: string,
  ended: boolean,
): { answer: Answer; rest: Buffer } | undefined {
  const head = bytes.indexOf(HEAD_END);
  if (head < 0) return undefined;
  const { status, headers } = headOf(bytes.toString('latin1', 0, head));
  const at = head + 4;
  if (status < 200) return firstAnswer(bytes.subarray(at), method, ended);
  const answer = (end: number, body: Buffer, complete: boolean) => ({
    answer: { status, headers, body, complete },
    rest: bytes.subarray(end),
  });
  if (method === 'HEAD' || status === 204 || status === 304) return answer(at, Buffer.alloc(0), true);
  if (headers['transfer-encoding'] !== undefined) {
    if (headers['content-length'] !== undefined) throw new Error('an answer with two framings');
    const { body, end } = chunks(bytes, at);
    if (end !== undefined) return answer(end, body, true);
    return ended ? answer(bytes.length, body, false) : undefined;
  }
  const length = headers['content-length'];
  if (length === undefined) return ended ? answer(bytes.length, bytes.subarray(at), true) : undefined;
  if (!/^[0-9]{1,15}$/.test(length)) throw new Error(`no content-length: ${length}`);
  const end = at + Number(length);
  if (bytes.length >= end) return answer(end, bytes.subarray(at, end), true);
  return ended ? answer(bytes.length, bytes.subarray(at), false) : undefined;
}

/** Every answer in the bytes of a connection that has ended, to requests of these methods. */
export function allAnswers(bytes: Buffer, methods: readonly string[] = []): Answer[] {
  const out: Answer[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const next = firstAnswer(rest, methods[out.length] ?? 'GET', true);
    if (next === undefined) throw new Error(`no answer: ${JSON.stringify(rest.toString('latin1', 0, 200))}`);
    out.push(next.answer);
    rest = next.rest;
  }
  return out;
}
