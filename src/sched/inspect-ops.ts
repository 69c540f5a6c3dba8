/**
 * What an M answers when it is asked what keeps an object alive, what goes with it, what lies below it.
 *
 * The questions are answered by `gc/reach.ts`; here their answers get the form that clients read, on the M, so that the
 * main thread only passes the bytes on. An answer has no more than `reachBytes` bytes of JSON: the piece of the
 * exchange that it goes into is taken before the question is asked.
 *
 * With the world stopped. The one thing that may change is that the span of the address is swept, as it is by
 * everything that takes an address, since only then is it certain whether there is an object.
 */

import { graph, maxEdges, type Retained, retained, shortestPath } from '../gc/reach.js';
import { formatAddress, type Heap, type P } from '../heap/heap.js';
import { ZERO_BASE } from '../heap/malloc.js';
import { Found, resolve, Status } from '../heap/objects.js';

/** What can be asked: A2 of the operation. */
export const Reach = { path: 0, graph: 1, retained: 2 } as const;

export interface PathAnswer {
  address: string;
  reachable: boolean;
  /** Objects on the way; 0 if there is none. */
  length: number;
  path: { address: string; span: number; slot: number; size: number; word: number | null; depth: number }[];
  /** Steps left out in the middle. */
  omitted: number;
}

export interface GraphAnswer {
  root: string;
  nodes: { address: string; size: number; sizeClass: number; noscan: boolean; rooted: boolean; depth: number }[];
  edges: { from: string; word: number; to: string }[];
  truncated: boolean;
}

export interface RetainedAnswer extends Retained {
  address: string;
}

export type ReachAnswer = PathAnswer | GraphAnswer | RetainedAnswer;

// The longest that one of each can be, with all its numbers as long as they get.
const STEP_BYTES = 128;
const NODE_BYTES = 128;
const EDGE_BYTES = 80;
const OTHER_BYTES = 256;

/** Bytes that the JSON of an answer has at most. */
export function reachBytes(kind: number, limit: number): number {
  if (kind === Reach.path) return OTHER_BYTES + limit * STEP_BYTES;
  if (kind === Reach.graph) return OTHER_BYTES + limit * NODE_BYTES + maxEdges(limit) * EDGE_BYTES;
  return OTHER_BYTES;
}

const found = new Found();

/** The answer about the object at `word`.`sub`, or the Status that says why there is none. */
export function reachAnswer(
  h: Heap,
  p: P,
  word: number,
  sub: number,
  kind: number,
  depth: number,
  limit: number,
): ReachAnswer | number {
  if (word === ZERO_BASE && sub === 0) return zeroAnswer(kind);
  const status = resolve(h, p, word, sub, found);
  return status === Status.ok ? inspectReach(h, word, sub, kind, depth, limit) : status;
}

function inspectReach(h: Heap, word: number, sub: number, kind: number, depth: number, limit: number): ReachAnswer {
  const address = formatAddress(word, sub);
  if (kind === Reach.path) return pathAnswer(h, address, word, limit);
  if (kind === Reach.graph) return graphAnswer(h, word, depth, limit);
  return { address, ...retained(h, word) };
}

function pathAnswer(h: Heap, address: string, word: number, limit: number): PathAnswer {
  const found = shortestPath(h, word, limit);
  if (found === null) return { address, reachable: false, length: 0, path: [], omitted: 0 };
  const path = found.steps.map(({ object, span, slot, size, word, depth }) => {
    return { address: formatAddress(object), span, slot, size, word: word < 0 ? null : word, depth };
  });
  return { address, reachable: true, length: found.length, path, omitted: found.length - path.length };
}

function graphAnswer(h: Heap, word: number, depth: number, limit: number): GraphAnswer {
  const { nodes, edges, truncated } = graph(h, word, depth, limit);
  return {
    root: formatAddress(nodes[0].object),
    nodes: nodes.map(({ object, ...rest }) => ({ address: formatAddress(object), ...rest })),
    edges: edges.map(({ from, word, to }) => ({ from: formatAddress(from), word, to: formatAddress(to) })),
    truncated,
  };
}

/** About every object of size 0: it lies in no span, nothing points at it, and it is always there. */
function zeroAnswer(kind: number): ReachAnswer {
  const address = formatAddress(ZERO_BASE);
  if (kind === Reach.path) {
    const path = [{ address, span: 0, slot: 0, size: 0, word: null, depth: 0 }];
    return { address, reachable: true, length: 1, path, omitted: 0 };
  }
  if (kind === Reach.graph) {
    const nodes = [{ address, size: 0, sizeClass: 0, noscan: true, rooted: true, depth: 0 }];
    return { root: address, nodes, edges: [], truncated: false };
  }
  return { address, reachable: true, rooted: true, objects: 0, bytes: 0, self: 0 };
}
