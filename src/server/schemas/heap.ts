/** A heap as one entry of a list: its name, its settings, and the few numbers that tell heaps apart. */

import { type Static, Type } from '@fastify/type-provider-typebox';
import { Bytes, HEAP_NAME_PATTERN } from './common.js';
import type { Settings } from './settings.js';

/** Fields as in `HeapSummary` (`../hosted.ts`). */
export const Summary = Type.Object(
  {
    heapAlloc: Bytes('Bytes of objects that are allocated and not yet swept'),
    heapObjects: Type.Integer({ minimum: 0, description: 'Objects of which heapAlloc counts the bytes' }),
    heapInuse: Bytes('Bytes of pages in spans that hold at least one object'),
    heapIdle: Bytes('Bytes of free pages; heapInuse + heapIdle = heapSys'),
    heapReleased: Bytes('Bytes of heapIdle that went back to the operating system'),
    heapSys: Bytes('Bytes of arenas obtained from the reservation'),
  },
  { $id: 'Summary' },
);

export const HeapView = Type.Object(
  {
    name: Type.String({ pattern: HEAP_NAME_PATTERN, description: 'The name of the heap', examples: ['default'] }),
    createdAt: Type.String({ format: 'date-time', description: 'When the heap was created' }),
    settings: Type.Ref('Settings'),
    summary: Type.Ref('Summary'),
  },
  { $id: 'Heap' },
);
export type HeapView = {
  name: string;
  createdAt: string;
  settings: Settings;
  summary: Static<typeof Summary>;
};

export const HeapList = Type.Object({
  heaps: Type.Array(Type.Ref('Heap'), { description: 'The heaps of this server, by name' }),
  limit: Type.Integer({ description: 'How many heaps the server may hold (GOHEAP_MAX_HEAPS)' }),
});
