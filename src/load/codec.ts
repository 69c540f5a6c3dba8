/**
 * How a batch of operations travels.
 *
 * The driver speaks to a codec in three verbs (alloc, free by address, free of an earlier alloc of the same batch) and
 * gets back, for the n-th operation, an address or an error code. Everything about the wire is in here and, for the
 * binary format, in `binary-codec.ts`.
 *
 * JSON:  {"p": 0, "ops": [{"op": "alloc", "size": 64, "noscan": true}, {"op": "free", "ref": 0}]}
 *        {"results": [{"address": "0xc000012040"}, {}], "done": 2, "failed": 0}
 */
export type Reuse = 'sweep' | 'immediate';

/** The answer to a batch, by operation. An address is kept in whatever form the codec wants it back. */
export interface BatchAnswer<A> {
  readonly length: number;
  address(op: number): A | undefined;
  error(op: number): string | undefined;
}

export interface BatchCodec<A = unknown> {
  readonly contentType: string;
  begin(p: number | undefined): void;
  /** Adds an operation and answers with its index in the batch. */
  alloc(size: number): number;
  free(address: A): number;
  freeRef(ref: number): number;
  readonly length: number;
  /** What the batch adds to the path. */
  readonly query: string;
  /** The body of the request. The codec may begin another batch at once. */
  finish(): Uint8Array | string;
  decode(bytes: Buffer): BatchAnswer<A>;
}

export interface CodecOptions {
  scan: boolean;
  reuse: Reuse;
}

/** An object with pointers is made of whole words. */
export function heapSize(size: number, scan: boolean): number {
  return scan ? Math.ceil(size / 8) * 8 : size;
}

interface JsonResult {
  address?: string;
  error?: { code?: string; detail?: string };
}

export class JsonCodec implements BatchCodec<string> {
  readonly contentType = 'application/json';
  readonly query = '';
  length = 0;
  private text = '';
  private readonly allocTail: string;
  private readonly freeTail: string;
  private readonly scan: boolean;

  constructor(options: CodecOptions) {
    this.scan = options.scan;
    this.allocTail = `,"noscan":${!options.scan}}`;
    this.freeTail = `,"reuse":"${options.reuse}"}`;
  }

  begin(p: number | undefined): void {
    this.text = p === undefined ? '{"ops":[' : `{"p":${p},"ops":[`;
    this.length = 0;
  }

  alloc(size: number): number {
    return this.add(`{"op":"alloc","size":${heapSize(size, this.scan)}${this.allocTail}`);
  }

  free(address: string): number {
    return this.add(`{"op":"free","address":"${address}"${this.freeTail}`);
  }

  freeRef(ref: number): number {
    return this.add(`{"op":"free","ref":${ref}${this.freeTail}`);
  }

  finish(): string {
    return `${this.text}]}`;
  }

  decode(bytes: Buffer): BatchAnswer<string> {
    const body = JSON.parse(bytes.toString()) as { results?: JsonResult[] };
    const results = body.results;
    if (!Array.isArray(results)) throw new Error('the answer to a batch has no "results"');
    return {
      length: results.length,
      address: (op) => results[op].address,
      error: (op) => {
        const error = results[op].error;
        return error === undefined ? undefined : (error.code ?? 'unknown');
      },
    };
  }

  private add(op: string): number {
    this.text += this.length === 0 ? op : `,${op}`;
    return this.length++;
  }
}

export type Format = 'json' | 'binary';
