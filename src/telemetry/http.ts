/**
 * How long requests take, by method, route and status.
 *
 * The route is the pattern, never the path: labels stay bounded whatever clients ask for, and a path that is no route
 * is not counted. Each route gets a hook of its own that already knows its series, so that an observation is an array
 * lookup and two additions, with no string made and nothing hashed: this runs behind every allocation.
 *
 * Measured is the time until the answer is handed over to be sent (onSend), not until the client has read it: that would
 * be the client's speed, and Fastify's onResponse costs listeners on every response.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';

/** Bounds of the buckets, in seconds. */
export const DURATION_BOUNDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** One series: buckets each for itself, and the sum of all durations. */
export interface Durations {
  readonly counts: Float64Array;
  sum: number;
}

interface Series {
  readonly method: string;
  readonly route: string;
  /** By status code; holes where it never occurred. */
  readonly byStatus: (Durations | undefined)[];
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly httpMetrics: HttpMetrics;
  }
  interface FastifyRequest {
    /** When its first hook ran, by `performance.now()`. */
    startedAt: number;
  }
}

export class HttpMetrics {
  private readonly series: Series[] = [];

  /** What to call when a request of this method and route is answered. */
  observer(method: string, route: string): (status: number, ms: number) => void {
    const series: Series = { method, route, byStatus: [] };
    this.series.push(series);
    return (status, ms) => {
      series.byStatus[status] ??= { counts: new Float64Array(DURATION_BOUNDS.length + 1), sum: 0 };
      const durations = series.byStatus[status];
      const seconds = ms / 1000;
      let i = 0;
      while (i < DURATION_BOUNDS.length && seconds > DURATION_BOUNDS[i]) i++;
      durations.counts[i]++;
      durations.sum += seconds;
    };
  }

  each(visit: (method: string, route: string, status: string, durations: Durations) => void): void {
    for (const { method, route, byStatus } of this.series) {
      byStatus.forEach((durations, status) => {
        if (durations !== undefined) visit(method, route, String(status), durations);
      });
    }
  }
}

type SendHook = (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void,
) => void;

/** Measures every route that is declared from here on. Before the first route, on the root of the app. */
export function installHttpMetrics(app: FastifyInstance): HttpMetrics {
  const metrics = new HttpMetrics();
  app.decorate('httpMetrics', metrics);
  app.decorateRequest('startedAt', 0);
  app.addHook('onRequest', (request, _reply, done) => {
    request.startedAt = performance.now();
    done();
  });
  app.addHook('onRoute', (options: RouteOptions) => {
    const methods = Array.isArray(options.method) ? options.method : [options.method];
    const observers = new Map(methods.map((m) => [m, metrics.observer(m, options.url)]));
    const only = observers.size === 1 ? observers.get(methods[0]) : undefined;
    const hook: SendHook = (request, reply, payload, done) => {
      const observe = only ?? observers.get(request.method);
      observe?.(reply.statusCode, performance.now() - request.startedAt);
      done(null, payload);
    };
    const before = options.onSend ?? [];
    options.onSend = [...(Array.isArray(before) ? before : [before]), hook as never];
  });
  return metrics;
}
