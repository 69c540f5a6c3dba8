/** HTTP and scheduler: how requests fare, how Gs wait for Ps, and what the main thread is busy with. */

import {
  bars,
  dashboard,
  heap,
  heat,
  lines,
  number,
  ofHeap,
  ofServer,
  perHeap,
  perInstance,
  rate,
  server,
  stack,
} from './kit.js';

const SECONDS = 'goheap_http_request_duration_seconds';
const BUCKETS = rate(server(`${SECONDS}_bucket`));
const quantile = (q: number): string => `histogram_quantile(${q}, ${perInstance(BUCKETS, 'le')})`;

export const http = (): object =>
  dashboard(
    'goheap-http',
    'goheap: HTTP and scheduler',
    'Requests, the Gs they become, the Ps that run them, and the main thread in between.',
    [
      {
        title: '',
        panels: [
          number({
            title: 'Requests',
            unit: 'reqps',
            about: 'Requests answered a second, on all routes.',
            queries: [[perInstance(rate(server(`${SECONDS}_count`))), '{{instance}}']],
          }),
          number({
            title: 'p99',
            unit: 's',
            about: '99 of 100 requests were answered within this time.',
            queries: [[quantile(0.99), '{{instance}}']],
          }),
          number({
            title: 'Errors',
            unit: 'percentunit',
            about: 'Share of requests that were answered 5xx.',
            queries: [
              [
                `(${perInstance(rate(server(`${SECONDS}_count`, 'status=~"5.."')))} or 0 * ${perInstance(rate(server(`${SECONDS}_count`)))}) / ${perInstance(rate(server(`${SECONDS}_count`)))}`,
                '{{instance}}',
              ],
            ],
          }),
          number({
            title: 'In flight',
            unit: 'short',
            about: 'Operations that were submitted and are not answered. At 4,096 a heap answers overloaded.',
            queries: [[server('goheap_heap_gs_in_flight', 'heap=~"$heap"'), '{{heap}}']],
          }),
          number({
            title: 'Heaps',
            unit: 'short',
            about: 'Heaps that are live, and how many there may be.',
            queries: [
              [server('goheap_heaps'), 'live'],
              [server('goheap_heaps_limit'), 'at most'],
            ],
          }),
          number({
            title: 'Ms replaced',
            unit: 'short',
            about:
              'Threads that died and were replaced, since the heap was made. Should stay 0; the log has the reason.',
            queries: [[server('goheap_heap_thread_restarts_total', 'heap=~"$heap"'), '{{heap}}']],
          }),
        ],
      },
      {
        title: 'Requests',
        panels: [
          lines({
            title: 'Requests by route',
            unit: 'reqps',
            about: 'The ten busiest routes.',
            queries: [
              [
                `topk(10, ${perInstance(rate(server(`${SECONDS}_count`)), 'method', 'route')})`,
                ofServer('{{method}} {{route}}'),
              ],
            ],
          }),
          stack({
            title: 'Requests by status',
            unit: 'reqps',
            about:
              '4xx are mistakes of clients, 429 the rate limit, 503 a heap that is overloaded, 507 a reservation that is used up.',
            queries: [[`sum by (status) (${rate(server(`${SECONDS}_count`))})`, '{{status}}']],
          }),
          lines({
            title: 'Time to answer',
            unit: 's',
            about:
              'Until the answer is handed over to be sent. Quantiles are interpolated between the bounds of the buckets.',
            queries: [
              [quantile(0.5), ofServer('median')],
              [quantile(0.95), ofServer('95 %')],
              [quantile(0.99), ofServer('99 %')],
            ],
          }),
          heat({
            title: 'Time to answer, all of it',
            unit: 'short',
            about: 'Requests by the upper bound of their time in seconds.',
            h: 8,
            queries: [[`sum by (le) (increase(${server(`${SECONDS}_bucket`)}[$__rate_interval]))`, '{{le}}']],
          }),
          bars({
            title: 'Slowest routes',
            unit: 's',
            about: 'Mean time to answer, the ten slowest routes.',
            w: 24,
            h: 8,
            queries: [
              [
                `topk(10, sum by (method, route) (${rate(server(`${SECONDS}_sum`))}) / (sum by (method, route) (${rate(server(`${SECONDS}_count`))}) > 0))`,
                '{{method}} {{route}}',
              ],
            ],
          }),
        ],
      },
      {
        title: 'Connections',
        panels: [
          lines({
            title: 'Connections',
            unit: 'short',
            about:
              'Connections that are open, and pipelined requests that wait for others of theirs. At MAX_CONNECTIONS more are dropped.',
            queries: [
              [server('goheap_http_connections'), ofServer('open')],
              [server('goheap_http_requests_held'), ofServer('requests that wait')],
            ],
          }),
          lines({
            title: 'Memory of clients',
            unit: 'bytes',
            about:
              'Responses that clients have not taken (at most GOHEAP_MAX_UNSENT), and bodies on their way (GOHEAP_MAX_BODIES).',
            queries: [
              [server('goheap_http_unsent_bytes'), ofServer('unsent')],
              [server('goheap_http_body_bytes'), ofServer('bodies')],
            ],
          }),
          lines({
            title: 'Connections cut, bodies refused',
            unit: 'ops',
            about:
              'Should stay 0. stalled: a client took nothing; unsent, pipelined: one that made the server hold the most; refused: no memory for a body.',
            queries: [
              [rate(server('goheap_http_connections_cut_total')), ofServer('{{reason}}')],
              [rate(server('goheap_http_bodies_refused_total')), ofServer('refused')],
            ],
          }),
        ],
      },
      {
        title: 'Scheduler',
        panels: [
          lines({
            title: 'Gs',
            unit: 'short',
            about:
              'Operations in flight, those that wait in run queues, and those that a P runs. Waiting ones while all Ps run: too few Ps.',
            queries: [
              [heap('go_goroutines'), ofHeap('all')],
              [heap('go_sched_goroutines_runnable_goroutines'), ofHeap('waiting')],
              [heap('go_sched_goroutines_running_goroutines'), ofHeap('running')],
              [heap('go_sched_gomaxprocs_threads'), ofHeap('Ps')],
            ],
          }),
          lines({
            title: 'How busy the Ps are',
            unit: 'percentunit',
            about: 'Share of the time of all Ps that was not idle. Near 1: saturated.',
            min: 0,
            max: 1,
            queries: [
              [
                `1 - ${perHeap(rate(heap('go_cpu_classes_idle_cpu_seconds_total')))} / ${perHeap(rate(heap('go_cpu_classes_total_cpu_seconds_total')))}`,
                ofHeap('busy'),
              ],
            ],
          }),
          lines({
            title: 'Gs run by P',
            unit: 'ops',
            about: 'Uneven under a light load: work stays with the P that is awake.',
            queries: [[rate(heap('goheap_gs_run_total')), ofHeap('P {{p}}')]],
          }),
          lines({
            title: 'Gs stolen',
            unit: 'ops',
            about:
              'Gs that a P took from the queue of another. Many: work arrives where Ps are busy with long operations.',
            queries: [[rate(heap('goheap_gs_stolen_total')), ofHeap('P {{p}}')]],
          }),
          lines({
            title: 'Gs waiting by P',
            unit: 'short',
            about:
              'The queue of each P, and the global one, which is used when a queue is full: anything but 0 there for long is overload.',
            queries: [
              [heap('goheap_gs_queued'), ofHeap('P {{p}}')],
              [heap('goheap_gs_queued_global'), ofHeap('global')],
            ],
          }),
          lines({
            title: 'Threads',
            unit: 'short',
            about: 'Ms that live, Ms ever started, and repairs after an M died.',
            queries: [
              [heap('go_sched_threads_total_threads'), ofHeap('alive')],
              [heap('go_threads'), ofHeap('started')],
              [heap('goheap_recoveries_total'), ofHeap('repairs')],
            ],
          }),
          lines({
            title: 'Waiting for locks',
            unit: 'short',
            about: 'Ps that stand waiting for some lock of the heap, on average.',
            queries: [[perHeap(rate(heap('go_sync_mutex_wait_total_seconds_total'))), ofHeap('waiting')]],
          }),
          lines({
            title: 'World stops',
            unit: 'ops',
            about: 'Times a second that the world was stopped: two a cycle, and what clients ask for.',
            queries: [[perHeap(rate(heap('goheap_world_stops_total'))), ofHeap('stops')]],
          }),
        ],
      },
      {
        title: 'Replays',
        panels: [
          lines({
            title: 'Replays now',
            unit: 'short',
            about:
              'Recordings that are being simulated, and those that wait for their turn. They take processor time from the heaps.',
            queries: [
              [server('goheap_replays_running'), ofServer('running')],
              [server('goheap_replays_waiting'), ofServer('waiting')],
              [rate(server('goheap_replay_seconds_total')), ofServer('running, on average')],
            ],
          }),
          lines({
            title: 'Replays ended',
            unit: 'ops',
            about:
              'By how they ended. cached: an earlier one answered; refused: the recording could not be read, or its client went away.',
            queries: [[rate(server('goheap_replays_total')), ofServer('{{state}}')]],
          }),
          lines({
            title: 'Events simulated',
            unit: 'ops',
            about: 'Over all settings and variations of all replays.',
            queries: [[rate(server('goheap_replay_events_total')), ofServer('events')]],
          }),
          lines({
            title: 'Replays on disk',
            unit: 'bytes',
            about: 'Results and recordings that are kept. Past GOHEAP_REPLAY_DISK the oldest go.',
            queries: [[server('goheap_replay_disk_bytes'), ofServer('kept')]],
          }),
        ],
      },
      {
        title: 'The process',
        panels: [
          lines({
            title: 'CPU',
            unit: 'short',
            about: 'CPUs in use by the process, all Ms included.',
            queries: [
              [rate(server('process_cpu_user_seconds_total')), ofServer('user')],
              [rate(server('process_cpu_system_seconds_total')), ofServer('system')],
            ],
          }),
          lines({
            title: 'Lag of the main thread',
            unit: 's',
            about: 'The main thread answers all requests: what delays it delays everybody. Ms do not run on it.',
            queries: [
              [server('nodejs_eventloop_lag_p50_seconds'), ofServer('median')],
              [server('nodejs_eventloop_lag_p99_seconds'), ofServer('99 %')],
            ],
          }),
          lines({
            title: "Node's own memory",
            unit: 'bytes',
            about: 'What V8 holds for the server itself, and buffers outside of it; the heaps are not in it.',
            queries: [
              [server('nodejs_heap_size_used_bytes'), ofServer('used')],
              [server('nodejs_heap_size_total_bytes'), ofServer('total')],
            ],
          }),
          lines({
            title: 'Open files',
            unit: 'short',
            about: 'About one a connection, and the limit that the operating system sets.',
            queries: [
              [server('process_open_fds'), ofServer('open')],
              [server('process_max_fds'), ofServer('at most')],
            ],
          }),
        ],
      },
    ],
  );
