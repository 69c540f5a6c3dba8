/**
 * A small HTTP client for one goheap server: node:http with kept-alive sockets, nothing more.
 *
 * Each lane of the driver has a client of its own with one socket, so that its requests go out in order and never wait
 * behind another lane's. An answer is read whole; a status outside 2xx is an HttpError that carries the problem
 * document's `code` (RFC 9457), so that callers count by reason and not by text.
 */
import * as http from 'node:http';
import * as https from 'node:https';

export class HttpError extends Error {
  override name = 'HttpError';
  readonly status: number;
  readonly code: string;
  readonly retryAfter: number;

  constructor(status: number, code: string, message: string, retryAfter: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export interface ClientOptions {
  url: string;
  token?: string | undefined;
  /** Milliseconds without any byte before a request is given up. */
  timeout?: number;
}

export class Client {
  private readonly base: URL;
  private readonly agent: http.Agent;
  private readonly headers: Record<string, string>;
  private readonly timeout: number;

  constructor(options: ClientOptions) {
    this.base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
    const secure = this.base.protocol === 'https:';
    const settings = { keepAlive: true, maxSockets: 1 };
    this.agent = secure ? new https.Agent(settings) : new http.Agent(settings);
    this.headers = options.token ? { authorization: `Bearer ${options.token}` } : {};
    this.timeout = options.timeout ?? 120_000;
  }

  /** Sends a request and answers with the body's bytes. */
  send(method: string, path: string, body?: Uint8Array | string, type = 'application/json'): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> = { accept: type, ...this.headers };
      if (body !== undefined) {
        headers['content-type'] = type;
        headers['content-length'] = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
      }
      const request = (this.base.protocol === 'https:' ? https : http).request(
        new URL(path.replace(/^\//, ''), this.base),
        { method, agent: this.agent, headers, timeout: this.timeout },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
            const status = response.statusCode ?? 0;
            if (status >= 200 && status < 300) resolve(bytes);
            else reject(problem(status, bytes, response.headers['retry-after']));
          });
        },
      );
      request.on('timeout', () => request.destroy(new Error(`no answer within ${this.timeout / 1000} s`)));
      request.on('error', reject);
      request.end(body);
    });
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const bytes = await this.send(method, path, body === undefined ? undefined : JSON.stringify(body));
    return (bytes.length === 0 ? {} : JSON.parse(bytes.toString())) as T;
  }

  close(): void {
    this.agent.destroy();
  }
}

function problem(status: number, bytes: Buffer, retryAfter: string | undefined): HttpError {
  const text = bytes.toString().slice(0, 2000);
  let code = `http-${status}`;
  let detail = text.slice(0, 200);
  try {
    const body = JSON.parse(text) as { code?: unknown; detail?: unknown; title?: unknown; message?: unknown };
    if (typeof body.code === 'string') code = body.code;
    const said = body.detail ?? body.title ?? body.message;
    if (typeof said === 'string') detail = said;
  } catch {
    // Not a problem document: the beginning of the text has to do.
  }
  return new HttpError(status, code, `${status} ${code}${detail ? `: ${detail}` : ''}`, Number(retryAfter) || 0);
}
