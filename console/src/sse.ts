/**
 * Server-sent events by `fetch`: EventSource cannot send a token.
 *
 * The parser is the one of the HTML standard (fields, comments, CR and LF), fed with pieces of text as they arrive. It
 * keeps at most one event, of at most `MAX_EVENT` characters: a stream that never ends an event is cut.
 */

export interface SseEvent {
  id: string | undefined;
  event: string;
  data: string;
}

/** The first event of a replay has what was seen of each of up to 64 cells: at most a megabyte or so. */
const MAX_EVENT = 1 << 22;

export class EventParser {
  /** The last id seen: what a resumed stream says in Last-Event-ID. */
  lastId: string | undefined;
  /** What the server asks to wait before connecting again, in ms. */
  retry: number | undefined;
  #text = '';
  #event = '';
  #data: string[] = [];
  #size = 0;

  /** The events that the piece completes. */
  push(piece: string): SseEvent[] {
    const out: SseEvent[] = [];
    this.#text += piece;
    for (;;) {
      const end = this.#text.search(/[\r\n]/);
      if (end < 0) break;
      // CR at the end of a piece: the LF of the same line end may follow.
      if (this.#text[end] === '\r' && end === this.#text.length - 1) break;
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + (this.#text.startsWith('\r\n', end) ? 2 : 1));
      const event = this.#line(line);
      if (event !== undefined) out.push(event);
    }
    if (this.#text.length + this.#size > MAX_EVENT) throw new Error('an event of the stream is too large');
    return out;
  }

  #line(line: string): SseEvent | undefined {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return undefined;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') this.#event = value;
    else if (field === 'data') {
      this.#data.push(value);
      this.#size += value.length + 1;
    } else if (field === 'id' && !value.includes('\0')) this.lastId = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value);
    return undefined;
  }

  #dispatch(): SseEvent | undefined {
    const data = this.#data.join('\n');
    const event = this.#event === '' ? 'message' : this.#event;
    const empty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    this.#size = 0;
    return empty ? undefined : { id: this.lastId, event, data };
  }
}
