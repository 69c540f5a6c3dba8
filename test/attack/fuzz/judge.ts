/**
 * Whether an answer is one that the document declares.
 *
 * For the operation that a request meant: its status, its content type, its body against the schema
 * of both; of a problem, that its code is listed for that status. For every request: no status from
 * 500 on but 503 and 507 (a replay may also say 502), nothing of the server's insides in a problem,
 * no header that a client put there.
 *
 * A target that is spelled oddly may mean an operation, or nothing, as the router decides; then
 * either answer is right.
 */

import type { Answer } from './answer.js';
import { Document, type Operation } from './document.js';
import type { Request } from './request.js';
import { PROBE_HEADER } from './values.js';

export interface Fault {
  /** What is wrong, in a word or two: faults of one kind, operation, status and code are one. */
  kind: string;
  operation: string;
  status: number;
  code: string;
  detail: string;
}

const PROBLEM = 'application/problem+json';
const ANSWERED_BY_US = new Set([502, 503, 507]);
/**
 * Pages for people, which the document does not list; the router takes `*` for the first of them.
 */
const PAGES = /^(?:\*$|\/(?:$|[?#;]|docs|assets|openapi\.json))/;

/**
 * Answers that are sent while they are read from what somebody else may delete meanwhile: then they
 * are cut.
 */
const MAY_BE_CUT = new Set(['readObject', 'getReplay']);

const mediaType = (answer: Answer): string =>
  (answer.headers['content-type'] ?? '').split(';', 1)[0].trim().toLowerCase();

interface Read {
  answer: Answer;
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: what it holds, its schema says
  json: any;
  code: string;
  malformed: boolean;
}

function read(answer: Answer, whole: boolean): Read {
  const type = mediaType(answer);
  let json: unknown;
  let malformed = false;
  if (whole && /^application\/(?:problem\+)?json$/.test(type)) {
    try {
      json = JSON.parse(answer.body.toString());
    } catch {
      malformed = true;
    }
  }
  const code = type === PROBLEM ? String((json as { code?: unknown } | undefined)?.code ?? '') : '';
  return { answer, type, json, code, malformed };
}

export class Judge {
  readonly #document: Document;

  constructor(document: Document) {
    this.#document = document;
  }

  /** The operations that a request may mean. */
  meant({ method, target }: Request): Operation[] {
    const wanted = method === 'HEAD' ? 'GET' : method;
    return this.#document.matching(target).filter((operation) => operation.method === wanted);
  }

  /** `cut`: the answer has no end, and the reader closed the connection. */
  faults(request: Request, answer: Answer, cut: boolean): Fault[] {
    const body = request.method !== 'HEAD' && answer.status !== 204 && answer.status !== 304;
    const seen = read(answer, body && !cut && answer.complete);
    const meant = this.meant(request);
    const always = this.#always(request, seen, body, cut, meant[0]?.id ?? 'none');
    if (always.length > 0) return always;
    const verdicts = meant.map((operation) => this.#declared(operation, request, seen, body, cut));
    if (meant.length === 0 || !Document.plain(request.target) || request.method === 'HEAD')
      verdicts.push(this.#elsewhere(request, seen));
    return verdicts.reduce((least, each) => (each.length < least.length ? each : least));
  }

  #always({ method, target }: Request, seen: Read, body: boolean, cut: boolean, operation: string): Fault[] {
    const { answer, type, json, code } = seen;
    const { status, headers } = answer;
    const fault = (kind: string, detail: string): Fault[] => [{ kind, operation, status, code, detail }];
    if (headers[PROBE_HEADER] !== undefined) return fault('header injected', JSON.stringify(headers));
    if (status >= 500 && !ANSWERED_BY_US.has(status) && !(operation === 'readyz' && status === 503)) {
      return fault('server error', answer.body.toString('latin1', 0, 500));
    }
    if (!answer.complete && !cut)
      return MAY_BE_CUT.has(operation) ? [] : fault('incomplete answer', `${answer.body.length} bytes of the body`);
    if (seen.malformed) return fault('malformed JSON', answer.body.toString('latin1', 0, 200));
    if (status < 400 || !body || operation === 'readyz') return [];
    if (type !== PROBLEM)
      return fault('error that is no problem', `${type}: ${answer.body.toString('latin1', 0, 200)}`);
    const { isProblem } = this.#document;
    const whole: boolean = isProblem(json);
    if (!whole) return fault('no problem document', JSON.stringify(isProblem.errors));
    if (json.status !== status) return fault('problem of another status', `${json.status} in the body`);
    if (json.type !== `/problems/${code}`) return fault('problem of another type', String(json.type));
    const insides = /node_modules|\n\s+at |\.[cm]?[jt]s:\d|file:\/\//.exec(
      JSON.stringify({ ...json, instance: '', detail: '' }) + unquoted(json.detail),
    );
    if (insides !== null) return fault('insides of the server', json.detail);
    if (json.requestId !== undefined && json.requestId !== headers['x-request-id'])
      return fault('two request ids', json.requestId);
    if (status === 405 && headers.allow === undefined) return fault('405 without Allow', `${method} ${target}`);
    return [];
  }

  /**
   * For a target that means no operation. Its body is read before that is known, and may be refused
   * first.
   */
  #elsewhere({ method, target }: Request, { answer, code, type }: Read): Fault[] {
    const { status } = answer;
    const fault = (kind: string): Fault[] => {
      return [
        { kind, operation: 'none', status, code, detail: `${method} ${target.slice(0, 200)}: ${status} ${type}` },
      ];
    };
    if (method === 'OPTIONS' && status === 204)
      return answer.headers.allow === undefined ? fault('204 without Allow') : [];
    if (PAGES.test(target.replace(/^https?:\/\/[^/]*/i, '')) && status < 500) return [];
    return [400, 403, 404, 405, 413, 414, 415, 421, 431].includes(status) ? [] : fault('answer to what is nothing');
  }

  #declared(
    operation: Operation,
    request: Request,
    { answer, type, json, code }: Read,
    body: boolean,
    cut: boolean,
  ): Fault[] {
    const { status } = answer;
    const fault = (kind: string, detail: string): Fault[] => [{ kind, operation: operation.id, status, code, detail }];
    const declared = operation.responses.get(status);
    if (declared === undefined) return fault('undeclared status', answer.body.toString('latin1', 0, 300));
    if (code !== '' && !declared.codes.has(code)) return fault('undeclared code', String(json?.detail));
    if (!body) {
      const wrong = type !== '' && request.method === 'HEAD' && !declared.content.has(type);
      return wrong && declared.content.size > 0 && status < 400 ? fault('undeclared content type', type) : [];
    }
    if (declared.content.size === 0) return answer.body.length === 0 ? [] : fault('undeclared body', type);
    if (!declared.content.has(type)) return fault('undeclared content type', type);
    const validate = declared.content.get(type);
    if (json !== undefined && validate !== undefined && !validate(json)) {
      return fault(
        'another body than declared',
        `${JSON.stringify(validate.errors)} in ${JSON.stringify(json).slice(0, 600)}`,
      );
    }
    if (cut && type === 'text/event-stream')
      return eventFaults(answer.body.toString(), (detail) => fault('another event than declared', detail), validate);
    return this.#accepted(operation, request, answer)
      ? []
      : fault('accepted what the document does not allow', JSON.stringify(request.json).slice(0, 500));
  }

  /**
   * False where a JSON body was accepted that the document does not allow. Operations of a batch
   * are answered one by one.
   */
  #accepted(operation: Operation, { headers, json, body }: Request, { status }: Answer): boolean {
    const { acceptsBody, bodyRequired, id } = operation;
    const type = headers.find(([name]) => name === 'content-type')?.[1];
    if (status >= 300 || acceptsBody === undefined || id === 'batch' || body.length === 0) return true;
    // Where a body may be left out, null is none.
    if (json === null && !bodyRequired) return true;
    return type !== 'application/json' || json === undefined || acceptsBody(json) === true;
  }
}

/** A detail may quote the client: what stands in quotation marks is the client's. */
const unquoted = (detail: unknown): string => String(detail).replace(/"(?:[^"\\]|\\.)*"?/g, '');

type Validate = ((data: unknown) => boolean) & { errors?: unknown };

/** Whole events only: the last one may have been cut. */
function eventFaults(text: string, fault: (detail: string) => Fault[], validate: Validate | undefined): Fault[] {
  const blocks = text.split('\n\n').slice(0, -1);
  for (const block of blocks) {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (data === undefined) continue;
    if (validate !== undefined && !validate(JSON.parse(data)))
      return fault(`${JSON.stringify(validate.errors)?.slice(0, 600)} in ${block.slice(0, 600)}`);
  }
  return [];
}
