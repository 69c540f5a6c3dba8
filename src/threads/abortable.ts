/**
 * Reading from a stream that may stall: the signal ends the wait for its next piece.
 *
 * A `for await` over a stream that stands still waits for ever, and asking its iterator to return
 * waits as long, behind the piece that does not come. So the wait itself is given up. What is
 * behind the stream (a connection, a file) stays its owner's to close.
 */

/**
 * The pieces of a stream. Rejects with the signal's reason as soon as that is given up, whatever
 * the stream does.
 */
export async function* abortable<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  signal.throwIfAborted();
  const iterator = stream[Symbol.asyncIterator]();
  // One listener for all pieces: a race of each against one long promise would pile up reactions to
  // the latter.
  let giveUp: (reason: unknown) => void = () => {};
  const abort = (): void => giveUp(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let over = false;
  try {
    for (;;) {
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        giveUp = reject;
        iterator.next().then(resolve, reject);
      });
      signal.throwIfAborted();
      if (next.done) {
        over = true;
        return;
      }
      yield next.value;
      signal.throwIfAborted();
    }
  } finally {
    signal.removeEventListener('abort', abort);
    // Not awaited: it may be behind a piece that never comes.
    if (!over) iterator.return?.().catch(() => undefined);
  }
}
