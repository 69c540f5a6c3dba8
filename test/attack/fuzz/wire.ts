/**
 * A connection on which bytes go out as they are, and answers come back.
 *
 * Kept alive from request to request, as long as the server keeps it; opened again when it does
 * not. One request at a time. The bound on silence catches a hang, and nothing else: a server that
 * merely is slow stays far below it.
 */

import { connect, type Socket } from 'node:net';
import { type Answer, firstAnswer } from './answer.js';

/** Milliseconds without an answer that count as none. */
const HANG = 90_000;

export interface Exchange {
  method: string;
  bytes: Buffer;
  /** End the sending side behind the bytes, and do not use the connection again. */
  half?: boolean;
  /** Of a 200 without end: whether what came of its body is enough. Then the connection is cut. */
  enough?: (body: Buffer) => boolean;
}

/** Why there is no answer. */
export class NoAnswer extends Error {}

export class Wire {
  readonly #port: number;
  #socket: Socket | undefined;
  /** Connections opened. */
  opened = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async #connected(): Promise<Socket> {
    const old = this.#socket;
    if (old !== undefined && !old.destroyed && !old.readableEnded && old.writable) return old;
    old?.destroy();
    const socket = connect({ port: this.#port, host: '127.0.0.1' });
    this.#socket = socket;
    this.opened++;
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.removeAllListeners('error').on('error', () => undefined);
    return socket;
  }

  async exchange({ method, bytes, half = false, enough }: Exchange): Promise<Answer> {
    const socket = await this.#connected();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const pieces: Buffer[] = [];
      let size = 0;
      let wanted = 0;
      let tail = '';
      const settle = (done: () => void): void => {
        clearTimeout(bound);
        socket.off('data', onData).off('close', onEnd).off('end', onEnd);
        done();
      };
      const fail = (why: string): void => settle(() => reject(new NoAnswer(why)));
      const look = (ended: boolean): boolean => {
        const all = Buffer.concat(pieces);
        pieces.splice(0, pieces.length, all);
        try {
          const found = firstAnswer(all, method, ended);
          if (found !== undefined) {
            // What stands behind an answer was not asked for, but where this request was malformed
            // on purpose.
            if (found.rest.length > 0) socket.destroy();
            settle(() => resolve(found.answer));
            return true;
          }
          const part = enough === undefined ? undefined : firstAnswer(all, method, true);
          if (part !== undefined && enough?.(part.answer.body) === true) {
            socket.destroy();
            settle(() => resolve(part.answer));
            return true;
          }
        } catch (error) {
          socket.destroy();
          settle(() => reject(error));
          return true;
        }
        // A large body is looked at again when its length may have come.
        const length = /\r\ncontent-length: *([0-9]+)/i.exec(
          all.toString('latin1', 0, Math.min(all.length, 4096)),
        )?.[1];
        const head = all.includes('\r\n\r\n');
        wanted = length !== undefined ? Number(length) : head ? size * 1.25 : 0;
        return false;
      };
      const onData = (piece: Buffer): void => {
        pieces.push(piece);
        size += piece.length;
        tail = (tail + piece.toString('latin1', Math.max(0, piece.length - 5))).slice(-5);
        if (enough !== undefined || size >= wanted || tail === '0\r\n\r\n') look(false);
      };
      const onEnd = (): void => {
        if (size > 0 && look(true)) return;
        fail(size === 0 ? 'the connection was closed without an answer' : 'the connection was closed within the head');
      };
      const bound = setTimeout(() => {
        socket.destroy();
        fail(`no answer within ${HANG} ms`);
      }, HANG);
      socket.on('data', onData).once('end', onEnd).once('close', onEnd);
      if (half) socket.end(bytes);
      else socket.write(bytes);
    });
    if (half || !answer.complete || answer.headers.connection?.toLowerCase() === 'close') this.close();
    return answer;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

/**
 * Sends bytes on a connection of its own, in pieces if there are several, and returns all that came
 * until it was closed.
 */
export async function converse(port: number, pieces: readonly (string | Buffer)[], half = true): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1' });
  const got: Buffer[] = [];
  socket.on('data', (piece) => got.push(piece)).on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const piece of pieces) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
    if (!socket.destroyed) await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  }
  if (half) socket.end();
  const bound = setTimeout(() => socket.destroy(), HANG);
  await closed;
  clearTimeout(bound);
  return Buffer.concat(got);
}
