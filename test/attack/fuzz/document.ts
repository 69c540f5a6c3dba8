/**
 * The server's OpenAPI document, as the fuzzer uses it: what each operation takes, and what it says
 * that it answers.
 *
 * The schemas of answers are closed first: where an object lists its members and says nothing of
 * others, others count as a fault. A document that forgets a member is wrong for whoever generates
 * a client from it.
 */

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export type Schema = Record<string, unknown>;

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}

interface RawOperation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, { schema?: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>;
}

interface RawDocument {
  paths: Record<string, Record<string, RawOperation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Declared {
  /** By media type; undefined: any value. */
  content: Map<string, ValidateFunction | undefined>;
  /** Of a problem: its codes. */
  codes: Set<string>;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  segments: string[];
  parameters: Parameter[];
  /** By media type. */
  bodies: Map<string, Schema>;
  bodyRequired: boolean;
  /** Whether a JSON body is one that the document allows; undefined where it takes none. */
  acceptsBody: ValidateFunction | undefined;
  responses: Map<number, Declared>;
}

const OPEN = new Set(['Problem']);

/** A copy in which objects have no members but those that they list. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const out: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    const names = key === 'properties' || key === 'patternProperties';
    const plain = key === 'examples' || key === 'enum' || key === 'const' || key === 'default';
    if (names)
      out[key] = Object.fromEntries(Object.entries(value as Schema).map(([name, each]) => [name, closed(each)]));
    else out[key] = plain ? value : closed(value);
  }
  if (out.properties !== undefined && out.additionalProperties === undefined && out.patternProperties === undefined) {
    out.additionalProperties = false;
  }
  return out;
}

const isDate = (text: string): boolean => {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text;
};

function newAjv(): Ajv2020 {
  const anything = { uri: true, binary: true, int32: true, int64: true, double: true } as const;
  return new Ajv2020({ strict: false, allErrors: false, formats: { ...anything, 'date-time': isDate } });
}

export class Document {
  readonly operations: Operation[] = [];
  /** Every code that a problem may have. */
  readonly codes: ReadonlySet<string>;
  readonly isProblem: ValidateFunction;

  constructor(text: string) {
    const raw = JSON.parse(text) as RawDocument;
    const answers = newAjv();
    const requests = newAjv();
    for (const [name, schema] of Object.entries(raw.components.schemas)) {
      const id = `#/components/schemas/${name}`;
      requests.addSchema(schema, id);
      answers.addSchema(OPEN.has(name) ? schema : (closed(schema) as Schema), id);
    }
    this.isProblem = answers.getSchema('#/components/schemas/Problem') as ValidateFunction;
    const { properties } = raw.components.schemas.Problem as { properties: { code: { enum: string[] } } };
    this.codes = new Set(properties.code.enum);
    const resolve = (schema: Schema = {}): Schema => {
      const name = /^#\/components\/schemas\/(.+)$/.exec(String(schema.$ref ?? ''))?.[1];
      return name === undefined ? schema : raw.components.schemas[name];
    };
    const declared = ({ description, content }: RawOperation['responses'][string]): Declared => ({
      content: new Map(
        Object.entries(content ?? {}).map(([type, { schema }]) => {
          return [type, schema === undefined ? undefined : answers.compile(closed(schema) as Schema)];
        }),
      ),
      codes: new Set([...description.matchAll(/`([a-z-]+)`: /g)].map(([, code]) => code)),
    });
    for (const [path, methods] of Object.entries(raw.paths)) {
      for (const [method, each] of Object.entries(methods)) {
        const json = each.requestBody?.content['application/json']?.schema;
        this.operations.push({
          id: each.operationId,
          method: method.toUpperCase(),
          path,
          segments: path.split('/').slice(1),
          parameters: each.parameters ?? [],
          bodies: new Map(Object.entries(each.requestBody?.content ?? {}).map(([t, c]) => [t, resolve(c.schema)])),
          bodyRequired: each.requestBody?.required === true,
          acceptsBody: json === undefined ? undefined : requests.compile(json),
          responses: new Map(Object.entries(each.responses).map(([status, what]) => [Number(status), declared(what)])),
        });
      }
    }
  }

  get(id: string): Operation {
    const found = this.operations.find((operation) => operation.id === id);
    if (found === undefined) throw new Error(`the document has no operation ${id}`);
    return found;
  }

  /** The operations that a target may mean: with its percent-encodings, and without them. */
  matching(target: string): Operation[] {
    const whole = target.replace(/^https?:\/\/[^/]*/i, '').split('?', 1)[0];
    const path = whole.split(/[;#]/, 1)[0];
    const spellings = new Set([whole, path, decoded(path), decoded(whole)]);
    const found = this.operations.filter(({ segments }) =>
      [...spellings].some((each) => fits(segments, each.split('/').slice(1))),
    );
    // A path that is written out goes before one with parameters.
    const exact = found.filter(({ path: template }) => template === path);
    return exact.length > 0 ? exact : found;
  }

  /** Whether a target is spelled plainly, so that it can mean nothing but its operation. */
  static plain(target: string): boolean {
    return /^(?:\/[A-Za-z0-9_.~-]+)+(?:\?|$)/.test(target);
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function fits(template: readonly string[], path: readonly string[]): boolean {
  return template.length === path.length && template.every((part, i) => part.startsWith('{') || part === path[i]);
}
