/**
 * Validation: what a request may say, and how the answer puts it when it says something else.
 *
 * Two Ajv instances. A JSON body has types, so nothing in it is coerced: the string "12" is not a number. A path or a
 * query has only strings, so there they are converted to the types of the schema. Neither removes unknown fields:
 * with `additionalProperties: false` a typo is an error. Both stop at the first error, so that a hostile body costs no
 * more than its first fault.
 *
 * `describeError` turns Ajv's error into a `Problem`: `field` is where, `allowed` is what would have been right. The
 * schema annotations `x-problem`, `x-problem-maximum`, `x-allowed`, `x-problem-unknown` and `x-body-optional` are explained where they are
 * declared below.
 */

import { Ajv, type AnySchemaObject, type ErrorObject } from 'ajv';
import type { FastifyInstance, FastifySchemaValidationError } from 'fastify';
import { type ErrorCode, isErrorCode } from './errors.js';
import { Problem } from './problem.js';
import { brief, quote } from './quote.js';

const COMMON = {
  allErrors: false,
  removeAdditional: false,
  useDefaults: true,
  verbose: true,
  discriminator: true,
} as const;

/** Annotations of our schemas. All are permitted in OpenAPI, which ignores what begins with `x-`. */
const ANNOTATIONS = [
  'x-problem', // the error code to answer for this value, instead of validation-failed
  'x-problem-maximum', // the error code for a number that is too large, instead of that one; `limit` says what is accepted
  'x-allowed', // what the value may be, in words
  'x-problem-unknown', // on an object: the error code for a field it does not have, instead of unknown-field
  'x-body-optional', // on a body: an absent body means {}
  'example', // OpenAPI's
];

function createAjv(coerce: boolean): Ajv {
  const ajv = new Ajv({ ...COMMON, coerceTypes: coerce, strictTypes: false, formats: FORMATS });
  for (const keyword of ANNOTATIONS) ajv.addKeyword(keyword);
  return ajv;
}

/** Formats document answers, and are not checked in requests; patterns are. */
const FORMATS = { 'date-time': true, binary: true, uri: true, int32: true, int64: true, double: true } as const;

export function installValidation(app: FastifyInstance): void {
  const body = createAjv(false);
  const rest = createAjv(true);
  app.setValidatorCompiler<AnySchemaObject>(({ schema, httpPart }) => {
    const ajv = httpPart === 'body' ? body : rest;
    for (const [id, shared] of Object.entries(app.getSchemas())) {
      if (ajv.getSchema(id) === undefined) ajv.addSchema(shared as AnySchemaObject, id);
    }
    const validate = ajv.compile(schema);
    if (httpPart !== 'body' || resolve(schema, app)['x-body-optional'] !== true) return validate;
    // Fastify validates null where there was no body.
    return (data: unknown) => {
      if (data === null) return { value: {} };
      return validate(data) ? { value: data } : { error: validate.errors as FastifySchemaValidationError[] };
    };
  });
  app.setSchemaErrorFormatter((errors, part) => describeError(errors as unknown as ErrorObject[], part));
}

function resolve(schema: AnySchemaObject, app: FastifyInstance): AnySchemaObject {
  return typeof schema.$ref === 'string' ? ((app.getSchemas()[schema.$ref] as AnySchemaObject) ?? schema) : schema;
}

/** The problem of the first error that matters. `part` is body, querystring, params or headers. */
export function describeError(errors: readonly ErrorObject[], part: string): Problem {
  // Of a union Ajv reports every branch, then the union itself: only the union's words are true of the whole.
  const error = errors.findLast((e) => e.keyword === 'anyOf' || e.keyword === 'oneOf') ?? errors[0];
  const schema = (error.parentSchema ?? {}) as AnySchemaObject;
  const path = fieldPath(error.instancePath);

  if (error.keyword === 'additionalProperties' || error.keyword === 'unevaluatedProperties') {
    const name = String(error.params.additionalProperty ?? error.params.unevaluatedProperty);
    const field = brief(join(path, brief(name)));
    const known = Object.keys((schema.properties ?? {}) as object);
    const code = codeOf(schema['x-problem-unknown'], 'unknown-field');
    return new Problem(code, `The ${place(part)} has a field ${quote(field)} that is not allowed here.`, {
      field,
      allowed: known,
    });
  }
  if (error.keyword === 'required' || error.keyword === 'dependentRequired') {
    const name = String(error.params.missingProperty);
    const field = join(path, name);
    const missing = (schema.properties?.[name] ?? {}) as AnySchemaObject;
    const allowed = describeSchema(missing);
    const detail = `The ${place(part)} lacks the field ${quote(field)}.`;
    return new Problem(codeOf(missing['x-problem'], 'validation-failed'), detail, { field, allowed });
  }
  if (error.keyword === 'minProperties') {
    const known = Object.keys((schema.properties ?? {}) as object);
    const detail = `The ${place(part)} must have at least ${error.params.limit} of its fields.`;
    return new Problem('validation-failed', detail, { field: path === '' ? part : path, allowed: known });
  }

  const field = path === '' ? part : path;
  const allowed = describeSchema(schema);
  const what = path === '' ? `The ${place(part)}` : `${quote(path)} in the ${place(part)}`;
  const detail = `${what} must be ${allowed}, not ${quote(error.data)}.`;
  const code = codeOf(schema['x-problem'], 'validation-failed');
  if (error.keyword === 'maximum' && schema['x-problem-maximum'] !== undefined) {
    const limit = Number(error.params.limit);
    return new Problem(codeOf(schema['x-problem-maximum'], code), detail, { field, allowed, limit });
  }
  return new Problem(code, detail, { field, allowed });
}

function codeOf(annotation: unknown, otherwise: ErrorCode): ErrorCode {
  return typeof annotation === 'string' && isErrorCode(annotation) ? annotation : otherwise;
}

/** `/ops/3/address` → `ops[3].address`. */
function fieldPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : join(path, step)), '');
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function place(part: string): string {
  return part === 'querystring' ? 'query' : part === 'params' ? 'path' : part;
}

/** What a schema allows, in words. */
export function describeSchema(schema: AnySchemaObject): string {
  if (typeof schema['x-allowed'] === 'string') return schema['x-allowed'];
  const branches = (schema.anyOf ?? schema.oneOf) as AnySchemaObject[] | undefined;
  if (branches !== undefined) return branches.map(describeSchema).join(', or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.map((v) => JSON.stringify(v)).join(', ')}`;
  switch (schema.type) {
    case 'integer':
    case 'number': {
      const noun = schema.type === 'integer' ? 'a whole number' : 'a number';
      const { minimum: min, maximum: max } = schema;
      return min !== undefined && max !== undefined ? `${noun} from ${min} to ${max}` : noun + span(min, max);
    }
    case 'string': {
      const pattern = typeof schema.pattern === 'string' ? ` that matches ${schema.pattern}` : '';
      return `a string${span(schema.minLength, schema.maxLength, ' characters')}${pattern}`;
    }
    case 'array': {
      const items = schema.items as AnySchemaObject | undefined;
      const each = items === undefined ? '' : `, each ${describeSchema(items)}`;
      return `an array${span(schema.minItems, schema.maxItems, ' items')}${each}`;
    }
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    default:
      return 'an object';
  }
}

function span(min: unknown, max: unknown, unit = ''): string {
  if (min !== undefined && max !== undefined) return ` of ${min} to ${max}${unit}`;
  if (min !== undefined) return ` of at least ${min}${unit}`;
  return max !== undefined ? ` of at most ${max}${unit}` : '';
}
