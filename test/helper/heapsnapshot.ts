/** A reader of `.heapsnapshot` files that knows the format and nothing of who wrote the file. It refuses what DevTools would stumble over. */

import { expect } from 'vitest';

export interface SnapshotNode {
  type: string;
  name: string;
  id: number;
  size: number;
  edges: { type: string; index: number; to: SnapshotNode }[];
}

export interface SnapshotFile {
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
  meta: any;
  /** The first is the root. */
  nodes: SnapshotNode[];
  strings: string[];
}

const HEX = (id: number): string => `0x${(0xc000000000 + (id - 1) * 4).toString(16)}`;
/** The address of an object by its id. */
export const addressOf = ({ id }: SnapshotNode): string => HEX(id);

/** Reads a file, and requires all that the format promises. */
export function readSnapshot(file: Buffer | string): SnapshotFile {
  const { snapshot, nodes, edges, strings, ...rest } = JSON.parse(file.toString());
  const { meta } = snapshot;
  const fields: number = meta.node_fields.length;
  const edgeFields: number = meta.edge_fields.length;
  const of = (names: string[], name: string): number => {
    expect(names).toContain(name);
    return names.indexOf(name);
  };
  const [type, name, id, size, count] = ['type', 'name', 'id', 'self_size', 'edge_count'].map((f) =>
    of(meta.node_fields, f),
  );
  const [edgeType, index, toNode] = ['type', 'name_or_index', 'to_node'].map((f) => of(meta.edge_fields, f));
  expect(nodes.length).toBe(snapshot.node_count * fields);
  expect(edges.length).toBe(snapshot.edge_count * edgeFields);
  expect(snapshot.trace_function_count).toBe(0);
  // A reader finds each of them by its key, one after the other.
  for (const key of ['trace_function_infos', 'trace_tree', 'samples', 'locations']) expect(rest[key]).toEqual([]);
  const badNumber = [...nodes, ...edges].find(
    (n: unknown) => !Number.isInteger(n) || Number(n) < 0 || Number(n) >= 2 ** 32,
  );
  expect(badNumber, 'all are unsigned 32-bit numbers').toBeUndefined();
  expect(new Set(strings).size, 'each string once').toBe(strings.length);
  const out: SnapshotNode[] = [];
  for (let at = 0; at < nodes.length; at += fields) {
    const node = {
      type: meta.node_types[type][nodes[at + type]],
      name: strings[nodes[at + name]],
      id: nodes[at + id],
      size: nodes[at + size],
      edges: [],
    };
    if (node.type === undefined || typeof node.name !== 'string') throw new Error(`node ${at / fields} is broken`);
    out.push(node);
  }
  let at = 0;
  out.forEach((node, i) => {
    for (let n = nodes[i * fields + count]; n > 0; n--, at += edgeFields) {
      const to = edges[at + toNode];
      const kind = meta.edge_types[edgeType][edges[at + edgeType]];
      if (to % fields !== 0 || to >= nodes.length || kind === undefined) throw new Error(`edge ${at} is broken`);
      node.edges.push({ type: kind, index: edges[at + index], to: out[to / fields] });
    }
  });
  expect(at, 'the nodes have all the edges there are').toBe(edges.length);
  expect(new Set(out.map((n) => n.id)).size, 'ids are unique').toBe(out.length);
  const reached = new Set([out[0]]);
  for (const node of reached) for (const { to } of node.edges) reached.add(to);
  expect(reached.size, 'the root reaches all nodes').toBe(out.length);
  expect(out[0]).toMatchObject({ type: 'synthetic', name: '', size: 0 });
  return { meta, nodes: out, strings };
}
