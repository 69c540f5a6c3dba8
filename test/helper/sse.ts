/** A reader of server-sent events over fetch, and the app's event route alone, with real heaps, on a real port. */

import type { AddressInfo, ListenOptions } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import events from '../../routes/events.js';
import { HeapHost } from '../../src/sched/host.js';
import { loadConfig } from '../../src/server/config.js';
import { Connections } from '../../src/server/connections.js';
import { installErrorHandler } from '../../src/server/error-handler.js';
import { Lifecycle } from '../../src/server/lifecycle.js';
import { HeapRegistry } from '../../src/server/registry.js';
import type { Host } from '../../src/server/route.js';
import { addSchemas } from '../../src/server/schemas/index.js';
import { installValidation } from '../../src/server/validation.js';
import type { StreamOptions } from '../../src/telemetry/events.js';
import { SETTINGS } from './host.js';

export interface ServerEvent {
  event: string;
  id?: string;
  retry?: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it says itself
  data: any;
}

export class EventReader {
  readonly status: number;
  readonly headers: Headers;
  readonly comments: string[] = [];
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private readonly abort: AbortController;
  private readonly decoder = new TextDecoder();
  private text = '';

  private constructor(answer: Response, abort: AbortController) {
    this.status = answer.status;
    this.headers = answer.headers;
    this.reader = answer.body!.getReader();
    this.abort = abort;
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    const abort = new AbortController();
    return new EventReader(await fetch(url, { headers, signal: abort.signal }), abort);
  }

  /** The next event; undefined when the stream has ended. */
  async next(): Promise<ServerEvent | undefined> {
    for (;;) {
      const end = this.text.indexOf('\n\n');
      if (end >= 0) {
        const block = this.text.slice(0, end);
        this.text = this.text.slice(end + 2);
        if (block.startsWith(':')) {
          this.comments.push(block);
          continue;
        }
        const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
        return { ...fields, event: fields.event, data: JSON.parse(fields.data) };
      }
      const { value, done } = await this.reader.read();
      if (done) return undefined;
      // A piece may end in the middle of a character.
      this.text += this.decoder.decode(value, { stream: true });
    }
  }

  /** The next event of a type; undefined when the stream ended before. */
  async nextOf(type: string): Promise<ServerEvent | undefined> {
    for (;;) {
      const event = await this.next();
      if (event === undefined || event.event === type) return event;
    }
  }

  async take(n: number): Promise<ServerEvent[]> {
    const out: ServerEvent[] = [];
    while (out.length < n) {
      const event = await this.next();
      if (event === undefined) break;
      out.push(event);
    }
    return out;
  }

  close(): void {
    this.abort.abort();
  }
}

export interface EventServer {
  app: FastifyInstance;
  heaps: HeapRegistry<Host>;
  lifecycle: Lifecycle;
  /** Of the events of heap `t`, or another. */
  url(query?: string, heap?: string): string;
  close(): Promise<void>;
}

/** A server of heap `t` with nothing but its events, by these options. */
export async function eventServer(
  options: Partial<StreamOptions>,
  listen: ListenOptions = { port: 0, host: '127.0.0.1' },
): Promise<EventServer> {
  // A client that does not read is cut off by the events themselves, or by nobody.
  const config = loadConfig({ SEND_TIMEOUT: '0s' });
  const heaps = new HeapRegistry<Host>((name, settings) => HeapHost.create(name, settings), 4);
  const lifecycle = new Lifecycle();
  const connections = new Connections(config);
  const app = Fastify({
    return503OnClosing: false,
    // No connection is closed under a client that is about to use it again.
    serverFactory: (handler) => connections.createServer(handler, { keepAliveTimeout: 0 }),
  });
  app.decorate('connections', connections);
  app.decorate('config', config).decorate('heaps', heaps).decorate('lifecycle', lifecycle);
  app.decorate('logger', pino({ level: 'silent' }));
  addSchemas(app);
  installValidation(app);
  installErrorHandler(app);
  await app.register(events, { prefix: '/v1/heaps/:heap', ...options });
  await heaps.put('t', SETTINGS);
  await app.listen(listen);
  const { port } = (app.server.address() ?? {}) as AddressInfo;
  return {
    app,
    heaps,
    lifecycle,
    url: (query = '', heap = 't') => `http://127.0.0.1:${port}/v1/heaps/${heap}/events${query}`,
    close: async () => {
      // The test is over. fetch opens connections in advance, at any moment; one that never saw a
      // request would keep the server open.
      const cut = setInterval(() => app.server.closeAllConnections(), 50);
      await app.close().finally(() => clearInterval(cut));
      await heaps.close();
    },
  };
}
