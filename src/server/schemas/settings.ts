/**
 * A heap's settings as JSON: what PUT and PATCH take and what every answer shows.
 *
 * The keys are Go's names. Sizes come in as numbers of bytes or Go's strings and go out as Go's strings, so that an
 * answer can be sent back as a request unchanged. What the schema cannot say (limits of this server, a reservation
 * of whole arenas) is in `../settings.ts`.
 */

import { type Static, Type } from '@fastify/type-provider-typebox';
import { GO_SIZE_PATTERN, GO_SIZE_WORDS, MAX_GO_SIZE } from '../gosize.js';

const bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const sizeText = Type.String({ maxLength: MAX_GO_SIZE, pattern: GO_SIZE_PATTERN });
const percent = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });
const off = Type.Literal('off');

const PROBLEM = { 'x-problem': 'invalid-setting' };

const GOMAXPROCS = 'The number of Ps, each with a thread of its own. Fixed when the heap is created';
const GOGC = 'GOGC: by how many percent the heap may grow between two collections, or "off". Live';
const GOMEMLIMIT = 'GOMEMLIMIT: Go\'s soft limit on the memory of the heap, or "off". Live';
const ARENA_SIZE = "The size of an arena: 64MiB as on linux/amd64, 4MiB as on Go's other platforms. Fixed";
const RESERVE = 'The address space of the heap: a whole number of arenas. Costs nothing until it is touched. Fixed';

const gogc = Type.Optional(
  Type.Union([percent, off], {
    ...PROBLEM,
    description: GOGC,
    examples: [100],
    'x-allowed': 'a whole number from 0 to 2147483647, or "off"',
  }),
);

const gomemlimit = Type.Optional(
  Type.Union([bytes, sizeText, off], {
    ...PROBLEM,
    description: GOMEMLIMIT,
    examples: ['512MiB'],
    'x-allowed': `${GO_SIZE_WORDS}, or "off"`,
  }),
);

/** The body of PUT: everything may be left out. */
export const SettingsInput = Type.Object(
  {
    gomaxprocs: Type.Optional(Type.Integer({ ...PROBLEM, minimum: 1, maximum: 1024, description: GOMAXPROCS })),
    gogc,
    gomemlimit,
    arenaSize: Type.Optional(
      Type.Union([bytes, sizeText], {
        ...PROBLEM,
        description: ARENA_SIZE,
        examples: ['64MiB'],
        'x-allowed': '64MiB or 4MiB',
      }),
    ),
    reserve: Type.Optional(
      Type.Union([bytes, sizeText], {
        ...PROBLEM,
        description: RESERVE,
        examples: ['4GiB'],
        'x-allowed': GO_SIZE_WORDS,
      }),
    ),
  },
  { $id: 'SettingsInput', additionalProperties: false, 'x-body-optional': true },
);
export type SettingsInput = Static<typeof SettingsInput>;

/** The body of PATCH: what can change while the heap runs. */
export const SettingsPatch = Type.Object(
  { gogc, gomemlimit },
  { $id: 'SettingsPatch', additionalProperties: false, minProperties: 1, 'x-problem-unknown': 'setting-not-live' },
);
export type SettingsPatch = Static<typeof SettingsPatch>;

/** The settings in an answer: every one of them, sizes in Go's notation. */
export const Settings = Type.Object(
  {
    gomaxprocs: Type.Integer({ description: GOMAXPROCS, examples: [2] }),
    gogc: Type.Union([percent, off], { description: GOGC, examples: [100] }),
    gomemlimit: Type.String({ description: GOMEMLIMIT, examples: ['512MiB'] }),
    arenaSize: Type.String({ description: ARENA_SIZE, examples: ['64MiB'] }),
    reserve: Type.String({ description: RESERVE, examples: ['4GiB'] }),
  },
  { $id: 'Settings' },
);
export type Settings = Static<typeof Settings>;
