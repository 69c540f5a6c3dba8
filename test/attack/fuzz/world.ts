/**
 * What the fuzzer knows of the server's state: heaps, live addresses, spans, cursors, replays,
 * workloads.
 *
 * It learns them from answers alone, as a client does, and forgets them the same way. Several
 * requests are under way at once, so that what it knows may be out of date when it is used; that is
 * meant, and the answer then is one of those that the document declares.
 */

import type { Answer } from './answer.js';

/** Of each kind at most so many are remembered; the oldest are forgotten. */
const MOST = 300;

export type Kind = 'address' | 'span' | 'spanCursor' | 'arenaCursor' | 'workload';

/** What is known of one heap. */
type Known = Record<Kind, string[]>;

const NOTHING = (): Known => ({ address: [], span: [], spanCursor: [], arenaCursor: [], workload: [] });

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds, the document's schemas say
type Json = any;

export class World {
  readonly heaps = new Map<string, Known>();
  readonly replays: string[] = [];
  /** Replays that have results. */
  readonly done: string[] = [];
  /** Heaps that answered that they are full, to be made anew. */
  readonly full = new Set<string>();

  heap(n: number): string {
    const names = [...this.heaps.keys()];
    return names.length === 0 ? 'keep-0' : names[n % names.length];
  }

  pick(kind: Kind, n: number, heap: string): string | undefined {
    const list = this.heaps.get(heap)?.[kind] ?? [];
    // The latest are the likeliest to be there still.
    return list.length === 0 ? undefined : list[list.length - 1 - (n % list.length)];
  }

  replay(n: number): string {
    const list = this.done.length > 0 && n % 4 !== 0 ? this.done : this.replays;
    return list.length === 0 ? 'none' : list[list.length - 1 - (n % list.length)];
  }

  #add(heap: string, kind: Kind, values: readonly unknown[]): void {
    const list = this.heaps.get(heap)?.[kind];
    if (list === undefined) return;
    for (const value of values) if (value !== undefined && !list.includes(String(value))) list.push(String(value));
    if (list.length > MOST) list.splice(0, list.length - MOST);
  }

  #drop(heap: string, kind: Kind, values: readonly string[]): void {
    const known = this.heaps.get(heap);
    if (known !== undefined) known[kind] = known[kind].filter((value) => !values.includes(value));
  }

  #forgetReplay(id: string): void {
    for (const list of [this.replays, this.done]) if (list.includes(id)) list.splice(list.indexOf(id), 1);
  }

  /**
   * `operation`: what the request was for; `path`: the values of its path, `sent` its JSON body, if
   * it had one.
   */
  learn(operation: string, path: Record<string, string>, sent: Json, answer: Answer): void {
    const { heap } = path;
    const type = answer.headers['content-type'] ?? '';
    const text = /^application\/(problem\+)?json/.test(type) && answer.complete && answer.body.length < 1e6;
    const body: Json = text ? JSON.parse(answer.body.toString()) : undefined;
    if (answer.status >= 400) {
      this.#learnProblem(heap, path, sent, body?.code);
      return;
    }
    switch (operation) {
      case 'putHeap':
        if (!this.heaps.has(heap)) this.heaps.set(heap, NOTHING());
        break;
      case 'deleteHeap':
        this.heaps.delete(heap);
        break;
      case 'alloc':
        this.#add(heap, 'address', body?.addresses ?? [body?.address]);
        break;
      case 'batch':
        this.#add(
          heap,
          'address',
          (body?.results ?? []).map((result: Json) => result.address),
        );
        break;
      case 'free':
        this.#drop(heap, 'address', sent?.addresses ?? [sent?.address]);
        break;
      case 'listSpans':
        this.#add(
          heap,
          'span',
          (body?.spans ?? []).map((span: Json) => span.id),
        );
        this.#add(heap, 'spanCursor', [body?.next]);
        break;
      case 'listArenas':
        this.#add(heap, 'arenaCursor', [body?.next]);
        break;
      case 'startWorkload':
        this.#add(heap, 'workload', [body?.id]);
        break;
      case 'startReplay':
        if (body?.id !== undefined && !this.replays.includes(body.id)) this.replays.push(body.id);
        break;
      case 'getReplay':
      case 'listReplays':
        for (const { id, state } of body?.replays ?? (body === undefined ? [] : [body])) {
          if (state === 'done' && !this.done.includes(id)) this.done.push(id);
        }
        break;
      case 'deleteReplay':
        this.#forgetReplay(path.id);
        break;
    }
  }

  #learnProblem(heap: string, path: Record<string, string>, sent: Json, code: unknown): void {
    if (code === 'heap-not-found' || code === 'heap-deleted') this.heaps.delete(heap);
    if (code === 'replay-not-found') this.#forgetReplay(path.id);
    if (code === 'reservation-exhausted') this.full.add(heap);
    if (code === 'already-freed' || code === 'never-allocated')
      this.#drop(heap, 'address', [path.address ?? sent?.address]);
    if (code === 'span-not-found') this.#drop(heap, 'span', [path.id]);
    if (code === 'workload-not-found') this.#drop(heap, 'workload', [path.workload]);
  }
}
