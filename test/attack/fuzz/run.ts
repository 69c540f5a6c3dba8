/**
 * The run: several lanes of requests at once against one server, each answer judged, what is wrong
 * shrunk and collected.
 *
 * fast-check makes the plans, repeats them from a seed, and shrinks those that fail. A lane is one
 * property: when it fails, its fault is noted, and the lane goes on behind it, until it has sent
 * its share; the same fault is noted once. While it shrinks, only the same fault counts, and after
 * so many attempts it is content with what it has.
 *
 * With one lane a seed repeats the requests exactly. With several, what each finds of the server's
 * state depends on the others.
 */

import fc from 'fast-check';
import type { Answer } from './answer.js';
import type { Document, Operation } from './document.js';
import { type Fault, Judge } from './judge.js';
import { known } from './known.js';
import { bytesOf, curlLine, type Plan, planOf, type Request, requestOf } from './request.js';
import { NoAnswer, Wire } from './wire.js';
import { World } from './world.js';

/** Requests spent on making a fault smaller. */
const SHRINKING = 120;
/** Different faults, after which a run has seen enough. */
const MOST_FAULTS = 40;
/** Requests tried for an operation that has not succeeded by the end. */
const LAST_TRIES = 300;
/**
 * What others need comes oftener, what ends it more rarely, what others hardly differ from, too;
 * else 2.
 */
const WEIGHTS: Record<string, number> = {
  alloc: 10,
  batch: 5,
  free: 3,
  startReplay: 4,
  startWorkload: 4,
  putHeap: 3,
  deleteHeap: 1,
  deleteReplay: 1,
  stopWorkload: 1,
  livez: 1,
  readyz: 1,
  listProblems: 1,
  listExamples: 1,
};
/** Bytes of an endless answer that are read. */
const STREAM_BYTES = 400;

export interface Found extends Fault {
  request: string;
}

const signature = ({ kind, operation, status, code }: Fault): string => [kind, operation, status, code].join(' · ');

/** What a problem says, without its numbers. */
const detailOf = ({ body }: Answer): string =>
  /"detail":"(.*?)","/
    .exec(body.toString())?.[1]
    ?.replace(/0x\w+|\d+/g, 'N')
    .slice(0, 80) ?? '';

class FaultError extends Error {
  readonly found: Found;

  constructor(found: Found) {
    super(`${signature(found)}\n  ${found.detail}\n  ${found.request}`);
    this.found = found;
  }
}

export class Run {
  readonly world = new World();
  readonly found = new Map<string, Found>();
  /** Faults of the list of known ones, and how often each was met. */
  readonly tolerated = new Map<string, number>();
  /** Operations by how many of their valid requests were answered by a success. */
  readonly succeeded = new Map<string, number>();
  /** Their other answers, to see whether the fuzzer gets anywhere. */
  readonly refused = new Map<string, number>();
  readonly statuses = new Map<number, number>();
  sent = 0;
  readonly #document: Document;
  readonly #judge: Judge;
  readonly #port: number;
  readonly #codes: string[];

  constructor(document: Document, port: number) {
    this.#document = document;
    this.#judge = new Judge(document);
    this.#port = port;
    this.#codes = [...document.codes];
  }

  /** Sends, judges, learns. Returns the faults, known ones left out. */
  async #send(plan: Plan, wire: Wire): Promise<{ faults: Fault[]; request: Request; answer: Answer | undefined }> {
    const request = requestOf(plan, this.world);
    const [meant] = this.#judge.meant(request);
    const endless = /^get(?:Replay)?Events$|^getRecording$/.test(meant?.id ?? '') && request.method === 'GET';
    // A recording that is to succeed has an end, and is read to it.
    const cut = endless && (meant.id !== 'getRecording' || request.mutated);
    this.sent++;
    let answer: Answer;
    let cutShort = false;
    try {
      const enough = (body: Buffer): boolean => {
        cutShort = body.length >= STREAM_BYTES && (meant.id === 'getRecording' || body.includes('\n\n'));
        return cutShort;
      };
      answer = await wire.exchange({ method: request.method, bytes: bytesOf(request), ...(cut ? { enough } : {}) });
    } catch (error) {
      wire.close();
      const kind = error instanceof NoAnswer ? 'no answer' : 'not HTTP';
      const fault = { kind, operation: meant?.id ?? 'none', status: 0, code: '', detail: (error as Error).message };
      return { faults: this.#unknown([fault]), request, answer: undefined };
    }
    this.#count(this.statuses, answer.status);
    const faults = this.#unknown(this.#judge.faults(request, answer, cutShort));
    if (!request.mutated) {
      const { id } = plan.operation;
      if (answer.status < 300) this.#count(this.succeeded, id);
      else this.#count(this.refused, `${id} ${answer.status} ${detailOf(answer)}`);
      this.world.learn(id, request.path, request.json, answer);
    } else if (meant !== undefined && answer.status < 300) {
      // What a mutation changed of the path is not known: ask again for what there is.
      if (meant.id === 'putHeap' || meant.id === 'deleteHeap') await this.#lookAround(wire);
    }
    return { faults, request, answer };
  }

  #count<K>(counts: Map<K, number>, what: K): void {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }

  #unknown(faults: Fault[]): Fault[] {
    return faults.filter((fault) => {
      if (!known(fault)) return true;
      this.#count(this.tolerated, signature(fault));
      return false;
    });
  }

  /** A plan without a mutation and without what may be left out. */
  plain(id: string, path: Record<string, unknown> = {}, body?: Plan['body']): Plan {
    return { operation: this.#document.get(id), path, query: {}, headers: {}, body, mutations: [] };
  }

  /** Sends one plan, and notes what is wrong with its answer. */
  async one(plan: Plan, wire: Wire): Promise<Answer | undefined> {
    const { faults, request, answer } = await this.#send(plan, wire);
    for (const fault of faults) this.#note({ ...fault, request: curlLine(request, this.#port) });
    return answer;
  }

  #note(found: Found): void {
    const key = signature(found);
    if (!this.found.has(key)) this.found.set(key, found);
  }

  async #lookAround(wire: Wire): Promise<void> {
    const answer = await this.one(this.plain('listHeaps'), wire);
    if (answer?.status !== 200) return;
    const names = (JSON.parse(answer.body.toString()) as { heaps: { name: string }[] }).heaps.map(({ name }) => name);
    for (const name of this.world.heaps.keys()) if (!names.includes(name)) this.world.heaps.delete(name);
  }

  /** Makes the heap of this name anew. */
  async renew(heap: string, wire: Wire): Promise<void> {
    if (this.world.heaps.has(heap)) await this.one(this.plain('deleteHeap', { heap }), wire);
    await this.one(this.plain('putHeap', { heap }), wire);
  }

  /** Keeps the server in a state in which valid requests can succeed. */
  async tend(wire: Wire): Promise<void> {
    const { world } = this;
    for (const heap of [...world.full]) {
      world.full.delete(heap);
      await this.renew(heap, wire);
    }
    for (const heap of ['keep-0', 'keep-1'])
      if (!world.heaps.has(heap)) await this.one(this.plain('putHeap', { heap }), wire);
    if (world.replays.length === 0) {
      const plans = fc.sample(planOf(this.#document.get('startReplay'), []), { numRuns: 50, seed: this.sent });
      const upload = plans.find(({ body, mutations }) => body?.bytes !== undefined && mutations.length === 0);
      if (upload !== undefined) await this.one({ ...upload, query: { variations: '1' } }, wire);
    }
    if (world.done.length === 0)
      for (const id of world.replays.slice(-3)) await this.one(this.plain('getReplay', { id }), wire);
  }

  /** Sends `requests` of them in so many lanes. */
  async lanes(requests: number, lanes: number, seed: number): Promise<void> {
    const share = Math.ceil(requests / lanes);
    const plans = this.#document.operations.map((operation) => ({
      arbitrary: planOf(operation, this.#codes),
      weight: WEIGHTS[operation.id] ?? 2,
    }));
    const one = async (lane: number): Promise<void> => {
      const wire = new Wire(this.#port);
      for (let left = share, round = 0; left > 0 && this.found.size < MOST_FAULTS; round++) {
        left -= await this.#property(fc.oneof(...plans), wire, left, seed + lane * 1000 + round);
      }
      wire.close();
    };
    await Promise.all(Array.from({ length: lanes }, (_, lane) => one(lane)));
  }

  /** Runs a property until it fails or is through; returns how many plans it took. */
  async #property(plans: fc.Arbitrary<Plan>, wire: Wire, numRuns: number, seed: number): Promise<number> {
    let failing: string | undefined;
    let shrinks = 0;
    const property = fc.asyncProperty(plans, async (plan) => {
      if (failing !== undefined && ++shrinks > SHRINKING) return;
      if (failing === undefined) await this.tend(wire);
      const { faults, request } = await this.#send(plan, wire);
      const fault = faults.find((each) =>
        failing === undefined ? !this.found.has(signature(each)) : signature(each) === failing,
      );
      if (fault === undefined) return;
      failing = signature(fault);
      throw new FaultError({ ...fault, request: curlLine(request, this.#port) });
    });
    const details = await fc.check(property, { numRuns, seed });
    if (!details.failed) return numRuns;
    if (!(details.errorInstance instanceof FaultError)) throw details.errorInstance;
    this.#note(details.errorInstance.found);
    return details.numRuns;
  }

  /** Operations of which no valid request has succeeded. */
  get missing(): Operation[] {
    return this.#document.operations.filter(({ id }) => !this.succeeded.has(id));
  }

  /**
   * Tries what has not succeeded yet, one request at a time, so that only what cannot succeed is
   * left.
   */
  async catchUp(seed: number): Promise<void> {
    const wire = new Wire(this.#port);
    for (const operation of this.missing) {
      const plans = fc.sample(planOf(operation, this.#codes), { numRuns: LAST_TRIES, seed });
      for (const plan of plans.filter(({ mutations }) => mutations.length === 0)) {
        if (this.succeeded.has(operation.id)) break;
        await this.tend(wire);
        await this.#restock(operation, wire);
        await this.one(plan, wire);
      }
    }
    // Its plans name heaps that others may have deleted, as they mean to leave those of `tend` alone.
    if (!this.succeeded.has('deleteHeap')) await this.one(this.plain('deleteHeap', { heap: 'keep-1' }), wire);
    await this.tend(wire);
    wire.close();
  }

  /** Has every heap hold something for an operation on it to find, and learns where. */
  async #restock({ path }: Operation, wire: Wire): Promise<void> {
    if (!path.includes('{heap}')) return;
    const type = 'application/json';
    for (const heap of [...this.world.heaps.keys()]) {
      const json = { size: 64, count: 8, pointers: 'all' };
      await this.one(this.plain('alloc', { heap }, { type, json }), wire);
      await this.one(this.plain('listSpans', { heap }), wire);
      if (!path.includes('{workload}')) continue;
      await this.one(this.plain('startWorkload', { heap }, { type, json: { workload: 'larson', duration: 5 } }), wire);
    }
  }

  report(): string {
    const counts = (map: Map<unknown, number>): string =>
      [...map]
        .map(([what, n]) => `${what}: ${n}`)
        .sort()
        .join(', ');
    const faults = [...this.found].map(([key, { detail, request }]) => `- ${key}\n    ${detail}\n    ${request}`);
    const lines = [`${this.sent} requests; ${counts(this.statuses)}`];
    if (this.tolerated.size > 0) lines.push(`known: ${counts(this.tolerated)}`);
    return [...lines, ...faults].join('\n');
  }
}
