/** A problem document (RFC 9457) as the OpenAPI document describes it. The words are in `../errors.ts`. */

import { Type } from '@fastify/type-provider-typebox';
import { ERROR_CODES } from '../errors.js';

export const ProblemSchema = Type.Object(
  {
    type: Type.String({
      description: 'The path of a page that explains the code',
      examples: ['/problems/heap-not-found'],
    }),
    title: Type.String({ description: 'A short sentence, the same for every occurrence of the code' }),
    status: Type.Integer({ description: 'The HTTP status, as in the status line' }),
    code: Type.Unsafe<string>({ type: 'string', enum: ERROR_CODES, description: 'The stable name of the error' }),
    detail: Type.String({ description: 'What happened this time' }),
    instance: Type.Optional(Type.String({ description: 'The path of the request' })),
    requestId: Type.Optional(Type.String({ description: 'The request id, as in the log' })),
    field: Type.Optional(Type.String({ description: 'The value that was wrong', examples: ['size'] })),
    allowed: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String())], { description: 'What the value may be' }),
    ),
    index: Type.Optional(Type.Integer({ description: 'The position in a batch' })),
    limit: Type.Optional(Type.Number({ description: 'The limit that was exceeded' })),
  },
  { $id: 'Problem', additionalProperties: true },
);
