/**
 * The server's own metrics: requests, heaps, and what Node says of the process.
 *
 * The last are prom-client's default metrics, made by prom-client itself; they are described here so that the
 * documentation is complete, and a test compares the two. Three of them are removed: gauges whose names end in
 * `_total`, which Prometheus reserves for counters; the same numbers stand in the gauges without the suffix.
 */

import { collectDefaultMetrics, Registry } from 'prom-client';
import type { HostStats } from '../sched/host-api.js';
import { GO_VERSION, VERSION } from '../server/version.js';
import { type Family, single } from './family.js';
import { DURATION_BOUNDS, type HttpMetrics } from './http.js';

/** What the replays of a server tell; the server's registry of them has it. */
export interface ReplayStats {
  readonly running: number;
  readonly waiting: number;
  /** Ever, by how they ended. */
  readonly ended: Readonly<Record<'done' | 'failed' | 'cancelled' | 'refused' | 'cached', number>>;
  /** Of simulating, ever; and events simulated. */
  readonly seconds: number;
  readonly events: number;
  /** On disk. */
  readonly bytes: number;
}

const NO_REPLAYS: ReplayStats = {
  running: 0,
  waiting: 0,
  ended: { done: 0, failed: 0, cancelled: 0, refused: 0, cached: 0 },
  seconds: 0,
  events: 0,
  bytes: 0,
};

/** What the server tells of its connections, and of the bodies that are on their way to it. */
export interface TrafficStats {
  readonly open: number;
  readonly held: number;
  readonly unsent: number;
  /** Connections that the server ended, ever, by why. */
  readonly cut: Readonly<Record<'stalled' | 'unsent' | 'pipelined', number>>;
  readonly bodies: number;
  readonly refused: number;
}

const NO_TRAFFIC: TrafficStats = {
  open: 0,
  held: 0,
  unsent: 0,
  cut: { stalled: 0, unsent: 0, pipelined: 0 },
  bodies: 0,
  refused: 0,
};

/** What the server's page is read from. */
export interface ServerView {
  readonly heaps: readonly { readonly name: string; stats(): HostStats; summary(): { heapInuse: number } }[];
  readonly maxHeaps: number;
  readonly http: HttpMetrics;
  /** None: all zero. */
  readonly replays?: ReplayStats;
  /** None: all zero. */
  readonly traffic?: TrafficStats;
}

function perHeap(
  f: Omit<Family<ServerView>, 'labels' | 'read'>,
  read: (heap: ServerView['heaps'][number]) => number,
): Family<ServerView> {
  return {
    ...f,
    labels: ['heap'],
    read: ({ heaps }, out) => {
      for (const heap of heaps) out.value(read(heap), heap.name);
    },
  };
}

export const SERVER_FAMILIES: readonly Family<ServerView>[] = [
  {
    name: 'goheap_build_info',
    type: 'gauge',
    help: 'Which goheap this is, whose memory manager it implements, and on which Node it runs.',
    labels: ['version', 'goversion', 'nodeversion'],
    unit: '1',
    from: 'package.json, GO_VERSION, process.version',
    advice: 'Join on it to see what changed when.',
    read: (_, out) => out.value(1, VERSION, GO_VERSION, process.version),
  },
  {
    name: 'goheap_http_request_duration_seconds',
    type: 'histogram',
    help: 'Time from a request to its answer, by method, route and status.',
    labels: ['method', 'route', 'status'],
    unit: 'seconds',
    from: 'an onSend hook of each route',
    advice:
      '_count is the number of requests. Event streams count when they begin. Paths that are no route do not count.',
    read: ({ http }, out) => {
      http.each((method, route, status, d) => {
        out.histogram(DURATION_BOUNDS, d.counts, d.sum, method, route, status);
      });
    },
  },
  single(
    {
      name: 'goheap_http_connections',
      type: 'gauge',
      help: 'Connections that are open.',
      unit: 'connections',
      from: 'Connections.stats',
      advice: 'At MAX_CONNECTIONS more are dropped.',
    },
    ({ traffic = NO_TRAFFIC }) => traffic.open,
  ),
  single(
    {
      name: 'goheap_http_requests_held',
      type: 'gauge',
      help: 'Pipelined requests that wait for others of their connection.',
      unit: 'requests',
      from: 'Connections.stats',
      advice: 'A client sends requests faster than it takes the responses.',
    },
    ({ traffic = NO_TRAFFIC }) => traffic.held,
  ),
  single(
    {
      name: 'goheap_http_unsent_bytes',
      type: 'gauge',
      help: 'Bytes of responses that clients have not taken.',
      unit: 'bytes',
      from: 'Connections.stats, added up ten times per second',
      advice: 'At GOHEAP_MAX_UNSENT the connections with the most are cut.',
    },
    ({ traffic = NO_TRAFFIC }) => traffic.unsent,
  ),
  {
    name: 'goheap_http_connections_cut_total',
    type: 'counter',
    help: 'Connections that the server ended because of what their clients did, by why.',
    labels: ['reason'],
    unit: 'connections',
    from: 'Connections.stats',
    advice:
      'stalled: took nothing for SEND_TIMEOUT. unsent: had the most unsent at GOHEAP_MAX_UNSENT. ' +
      'pipelined: had the most requests waiting when there were too many.',
    read: ({ traffic = NO_TRAFFIC }, out) => {
      for (const [reason, n] of Object.entries(traffic.cut)) out.value(n, reason);
    },
  },
  single(
    {
      name: 'goheap_http_body_bytes',
      type: 'gauge',
      help: 'Memory that request bodies hold that are on their way.',
      unit: 'bytes',
      from: 'Bodies.bytes',
      advice: 'At GOHEAP_MAX_BODIES, and at half of it for one client address, bodies are answered overloaded.',
    },
    ({ traffic = NO_TRAFFIC }) => traffic.bodies,
  ),
  single(
    {
      name: 'goheap_http_bodies_refused_total',
      type: 'counter',
      help: 'Request bodies that were refused for want of memory.',
      unit: 'requests',
      from: 'Bodies.refused',
      advice: 'Some client sends many large bodies, slowly. Or GOHEAP_MAX_BODIES is too small.',
    },
    ({ traffic = NO_TRAFFIC }) => traffic.refused,
  ),
  single(
    {
      name: 'goheap_heaps',
      type: 'gauge',
      help: 'Heaps that are live.',
      unit: 'heaps',
      from: 'the registry',
      advice: 'Each has threads and a reservation.',
    },
    ({ heaps }) => heaps.length,
  ),
  single(
    {
      name: 'goheap_heaps_limit',
      type: 'gauge',
      help: 'Heaps that there may be.',
      unit: 'heaps',
      from: 'the configuration',
      advice: 'At the limit a PUT of a new heap is refused.',
    },
    ({ maxHeaps }) => maxHeaps,
  ),
  perHeap(
    {
      name: 'goheap_heap_inuse_bytes',
      type: 'gauge',
      help: 'HeapInuse of each heap.',
      unit: 'bytes',
      from: 'MemStats.HeapInuse',
      advice: "The sum over heaps explains the process's resident memory, with what is free and not released.",
    },
    (heap) => heap.summary().heapInuse,
  ),
  perHeap(
    {
      name: 'goheap_heap_gs_in_flight',
      type: 'gauge',
      help: 'Operations of each heap that are submitted and not answered.',
      unit: 'Gs',
      from: 'HostStats.inFlight',
      advice: 'At 4,096 a heap answers overloaded.',
    },
    (heap) => heap.stats().inFlight,
  ),
  perHeap(
    {
      name: 'goheap_heap_thread_restarts_total',
      type: 'counter',
      help: 'Ms of each heap that died and were replaced.',
      unit: 'Ms',
      from: 'HostStats.restarts',
      advice: 'Alert on any increase.',
    },
    (heap) => heap.stats().restarts,
  ),
  single(
    {
      name: 'goheap_replays_running',
      type: 'gauge',
      help: 'Replays that simulate.',
      unit: 'replays',
      from: 'the registry of replays',
      advice: 'At GOHEAP_REPLAYS_RUNNING others wait. They take processor time from the heaps.',
    },
    ({ replays = NO_REPLAYS }) => replays.running,
  ),
  single(
    {
      name: 'goheap_replays_waiting',
      type: 'gauge',
      help: 'Replays whose recording is uploaded, or that wait for their turn.',
      unit: 'replays',
      from: 'the registry of replays',
      advice: 'At GOHEAP_REPLAYS_WAITING new ones are answered 503.',
    },
    ({ replays = NO_REPLAYS }) => replays.waiting,
  ),
  {
    name: 'goheap_replays_total',
    type: 'counter',
    help: 'Replays that ended, by how.',
    labels: ['state'],
    unit: 'replays',
    from: 'the registry of replays',
    advice: 'cached: answered by an earlier one. refused: the recording could not be read, or the client went away.',
    read: ({ replays = NO_REPLAYS }, out) => {
      for (const [state, n] of Object.entries(replays.ended)) out.value(n, state);
    },
  },
  single(
    {
      name: 'goheap_replay_seconds_total',
      type: 'counter',
      help: 'Time that replays simulated, from the first of their simulations to the last.',
      unit: 'seconds',
      from: 'the registry of replays',
      advice: 'rate() is how many run at once, on average.',
    },
    ({ replays = NO_REPLAYS }) => replays.seconds,
  ),
  single(
    {
      name: 'goheap_replay_events_total',
      type: 'counter',
      help: 'Events simulated, over all settings and variations.',
      unit: 'events',
      from: 'the registry of replays',
      advice: 'rate() is the speed of simulating.',
    },
    ({ replays = NO_REPLAYS }) => replays.events,
  ),
  single(
    {
      name: 'goheap_replay_disk_bytes',
      type: 'gauge',
      help: 'Results and recordings of replays on disk.',
      unit: 'bytes',
      from: 'the registry of replays',
      advice: 'Bounded by GOHEAP_REPLAY_DISK: the oldest go.',
    },
    ({ replays = NO_REPLAYS }) => replays.bytes,
  ),
];

/** A metric that prom-client makes. */
export type Described = Omit<Family<never>, 'read' | 'from'>;

const lag = (which: string, help: string): Described => ({
  name: `nodejs_eventloop_lag_${which}seconds`,
  type: 'gauge',
  help,
  labels: [],
  unit: 'seconds',
  advice: 'The main thread answers all requests: what delays it delays everybody. Ms do not run on it.',
});

const bytes = (name: string, help: string, advice: string, labels: readonly string[] = []): Described => ({
  name,
  type: 'gauge',
  help,
  labels,
  unit: 'bytes',
  advice,
});

const cpu = (name: string, help: string): Described => ({
  name,
  type: 'counter',
  help,
  labels: [],
  unit: 'seconds',
  advice: 'rate() is CPUs in use, Ms included.',
});

const V8 = "Node's own heap, not the heaps that this server manages.";

export const PROCESS_METRICS: readonly Described[] = [
  cpu('process_cpu_user_seconds_total', 'Total user CPU time spent in seconds.'),
  cpu('process_cpu_system_seconds_total', 'Total system CPU time spent in seconds.'),
  cpu('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.'),
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'Start time of the process since unix epoch in seconds.',
    labels: [],
    unit: 'seconds since 1970',
    advice: 'A change is a restart.',
  },
  bytes('process_resident_memory_bytes', 'Resident memory size in bytes.', 'What all heaps and Node really hold.'),
  bytes('process_virtual_memory_bytes', 'Virtual memory size in bytes.', 'Reservations count here and cost nothing.'),
  bytes('process_heap_bytes', 'Process heap size in bytes.', 'VmData of the process: private writable mappings.'),
  {
    name: 'process_open_fds',
    type: 'gauge',
    help: 'Number of open file descriptors.',
    labels: [],
    unit: 'descriptors',
    advice: 'About one a connection.',
  },
  {
    name: 'process_max_fds',
    type: 'gauge',
    help: 'Maximum number of open file descriptors.',
    labels: [],
    unit: 'descriptors',
    advice: 'The limit of the above.',
  },
  lag('', 'Lag of event loop in seconds.'),
  lag('min_', 'The minimum recorded event loop delay.'),
  lag('max_', 'The maximum recorded event loop delay.'),
  lag('mean_', 'The mean of the recorded event loop delays.'),
  lag('stddev_', 'The standard deviation of the recorded event loop delays.'),
  lag('p50_', 'The 50th percentile of the recorded event loop delays.'),
  lag('p90_', 'The 90th percentile of the recorded event loop delays.'),
  lag('p99_', 'The 99th percentile of the recorded event loop delays.'),
  {
    name: 'nodejs_active_resources',
    type: 'gauge',
    help: 'Number of active resources that are currently keeping the event loop alive, grouped by async resource type.',
    labels: ['type'],
    unit: 'resources',
    advice: 'Sockets, timers, worker ports.',
  },
  {
    name: 'nodejs_active_handles',
    type: 'gauge',
    help: 'Number of active libuv handles grouped by handle type. Every handle type is C++ class name.',
    labels: ['type'],
    unit: 'handles',
    advice: 'As above, as libuv counts them.',
  },
  {
    name: 'nodejs_active_requests',
    type: 'gauge',
    help: 'Number of active libuv requests grouped by request type. Every request type is C++ class name.',
    labels: ['type'],
    unit: 'requests',
    advice: 'File and name look-ups in flight: normally none.',
  },
  bytes('nodejs_heap_size_total_bytes', 'Process heap size from Node.js in bytes.', V8),
  bytes('nodejs_heap_size_used_bytes', 'Process heap size used from Node.js in bytes.', V8),
  bytes(
    'nodejs_external_memory_bytes',
    'Node.js external memory size in bytes.',
    'Buffers outside of V8, reservations included.',
  ),
  bytes('nodejs_heap_space_size_total_bytes', 'Process heap space size total from Node.js in bytes.', V8, ['space']),
  bytes('nodejs_heap_space_size_used_bytes', 'Process heap space size used from Node.js in bytes.', V8, ['space']),
  bytes('nodejs_heap_space_size_available_bytes', 'Process heap space size available from Node.js in bytes.', V8, [
    'space',
  ]),
  {
    name: 'nodejs_version_info',
    type: 'gauge',
    help: 'Node.js version info.',
    labels: ['version', 'major', 'minor', 'patch'],
    unit: '1',
    advice: 'Always 1.',
  },
  {
    name: 'nodejs_gc_duration_seconds',
    type: 'histogram',
    help: 'Garbage collection duration by kind, one of major, minor, incremental or weakcb.',
    labels: ['kind'],
    unit: 'seconds',
    advice: "V8's collector on the main thread. It delays answers; it has nothing to do with the heaps' cycles.",
  },
];

const NOT_COUNTERS = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

let registry: Registry | undefined;

/** prom-client's registry of the process metrics: one a process, for its observers cannot be stopped. */
export function processRegistry(): Registry {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
    for (const name of NOT_COUNTERS) registry.removeSingleMetric(name);
  }
  return registry;
}
