/** The events of a heap's live stream: what the `data` of each type holds, as JSON on one line. */

import { Type } from '@fastify/type-provider-typebox';
import { SERVED_NAMES } from '../../heap/heap.js';
import { DEFAULT_RATE, MAX_RATE } from '../../telemetry/events.js';
import { MAX_SAMPLE_PS } from '../../telemetry/sample.js';
import { Bytes } from './common.js';
import { GcHistory } from './gc.js';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Total = (description: string) => Type.Integer({ minimum: 0, description: `${description}, ever` });
const Seconds = (description: string) => Type.Number({ description });
const orNull = (description: string) => Type.Unsafe<number | null>({ type: ['number', 'null'], description });
const Time = Type.Integer({ description: 'Milliseconds since 1970' });

export const EventsQuery = Type.Object(
  {
    rate: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_RATE,
        default: DEFAULT_RATE,
        description: 'Samples a second. A client that does not keep up gets fewer',
      }),
    ),
  },
  { additionalProperties: false },
);

export const EventsHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      maxLength: 64,
      description: "The `id` of the last event seen, as a browser's EventSource sends it: the stream resumes behind it",
    }),
  ),
});

const Hello = Type.Object(
  {
    heap: Type.String({ description: 'Name of the heap' }),
    settings: Type.Ref('Settings'),
    version: Type.String({ description: 'Version of the server' }),
    rate: Count('Samples a second of this stream'),
    resumed: Type.Boolean({ description: 'Whether the stream goes on behind Last-Event-ID' }),
  },
  { title: 'hello', description: 'Once, at the beginning' },
);

const Sample = Type.Object(
  {
    t: Time,
    heapLive: Bytes('Live heap, as the pacer counts it'),
    heapAlloc: Bytes('HeapAlloc'),
    heapInuse: Bytes('HeapInuse'),
    heapIdle: Bytes('HeapIdle'),
    heapSys: Bytes('HeapSys'),
    heapReleased: Bytes('HeapReleased'),
    nextGC: orNull('Goal of the heap in bytes; null when GOGC is off and there is no memory limit'),
    trigger: orNull('Live heap at which the next cycle begins, in bytes; null likewise'),
    memoryLimit: orNull('GOMEMLIMIT in bytes; null when off'),
    rss: Bytes('Resident memory of the whole server'),
    objects: Count('Objects allocated and not swept'),
    mallocs: Total('Objects allocated'),
    frees: Total('Objects freed'),
    totalAlloc: Total('Bytes allocated'),
    served: Type.Object(Object.fromEntries(SERVED_NAMES.map((level) => [level, Total('Allocations')])), {
      description: 'Allocations by the level that served them',
    }),
    refills: Total('Spans that mcaches asked their mcentrals for'),
    grows: Total('Of those, spans made new from the heap'),
    osGrows: Total('Times the heap asked the operating system for memory'),
    lockWaitSeconds: Seconds("Seconds waited for the heap's locks, ever"),
    lockContended: Total('Times one of them was taken'),
    phase: Type.Unsafe<'off' | 'mark'>({ type: 'string', enum: ['off', 'mark'], description: 'What goes on' }),
    numGC: Total('Collections'),
    sweepDone: Type.Boolean({ description: 'Whether everything is swept' }),
    cpu: Type.Object(
      {
        assist: Seconds('Marking by allocations'),
        dedicated: Seconds('Marking by workers'),
        idle: Seconds('Marking by Ps that had nothing else to do'),
        pause: Seconds('Pauses, times the Ps'),
        scavenge: Seconds('Giving memory back'),
        wait: Seconds('Threads of Ps that slept'),
      },
      { description: 'CPU time, ever' },
    ),
    ps: Type.Array(
      Type.Object({
        status: Type.String({ description: 'running, idle, stopped, dead' }),
        queued: Count('Operations that wait for it'),
        ran: Total('Operations run'),
      }),
      { description: `The Ps, the first ${MAX_SAMPLE_PS} of them` },
    ),
  },
  { title: 'sample', description: 'At the rate of the stream. "Ever": since the heap was made' },
);

const cycle = GcHistory.properties.cycles.items;
const Gc = Type.Object(
  {
    ...cycle.properties,
    skipped: Count('Collections before it that the stream leaves out: it tells of at most 8 a sample'),
  },
  { title: 'gc', description: 'For each collection whose mark has ended since the last sample' },
);

const Restart = Type.Object(
  {
    t: Time,
    restarts: Total('Threads replaced'),
    since: Count('Of those, since the last sample'),
    ps: Type.Array(Count('Number of a P'), { description: 'Whose threads they were' }),
  },
  { title: 'restart', description: 'When the thread of a P died and another has taken the P over' },
);

const Gone = Type.Object(
  { heap: Type.String({ description: 'Name of the heap' }) },
  { title: 'gone', description: 'When the heap was deleted; the stream ends' },
);

export const EventData = Type.Union([Hello, Sample, Gc, Restart, Gone]);
