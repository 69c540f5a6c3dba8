/** What the doctor is asked, and what it answers. */

import { Type } from '@fastify/type-provider-typebox';
import { DEFAULT_WINDOW, MAX_WINDOW, RULES } from '../../telemetry/doctor/doctor.js';
import { SEVERITIES } from '../../telemetry/doctor/rule.js';

export const DoctorQuery = Type.Object(
  {
    window: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: MAX_WINDOW / 1000,
        default: DEFAULT_WINDOW / 1000,
        description: 'For how many seconds to look: rates are taken over them. The answer takes so long',
      }),
    ),
  },
  { additionalProperties: false },
);

const numbers = (description: string) => Type.Record(Type.String(), Type.Number(), { description });

export const DoctorAnswer = Type.Object({
  healthy: Type.Boolean({ description: 'Whether nothing was found' }),
  summary: Type.String({ description: 'The same in a sentence' }),
  window: Type.Number({ description: 'Seconds that the rates were taken over' }),
  findings: Type.Array(
    Type.Object({
      code: Type.Unsafe<string>({
        type: 'string',
        enum: RULES.map(({ code }) => code),
        description: 'Its stable name',
      }),
      severity: Type.Unsafe<(typeof SEVERITIES)[number]>({
        type: 'string',
        enum: [...SEVERITIES],
        description: 'How bad it is',
      }),
      title: Type.String({ description: 'What was found' }),
      numbers: numbers(
        'What was measured; bytes and seconds unless their names say otherwise. A ratio to nothing is left out',
      ),
      threshold: numbers('What it was compared with'),
      cause: Type.String({ description: 'Where it comes from: size classes, locks, cycles' }),
      meaning: Type.String({ description: 'What it means' }),
      action: Type.String({ description: 'What to do' }),
    }),
    { description: 'The worst first; empty for a heap that is well' },
  ),
});
