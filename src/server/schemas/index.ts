/**
 * The schemas that have a name (`$id`) and are shared by reference: `Type.Ref('Heap')`.
 *
 * They are added to the app once, before any route, and become `components.schemas` of the OpenAPI document. A schema
 * that only one route uses stays beside that route.
 */

import type { FastifyInstance } from 'fastify';
import { HeapView, Summary } from './heap.js';
import { ProblemSchema } from './problem.js';
import { Settings, SettingsInput, SettingsPatch } from './settings.js';

export function addSchemas(app: FastifyInstance): void {
  for (const schema of [ProblemSchema, Settings, SettingsInput, SettingsPatch, Summary, HeapView])
    app.addSchema(schema);
}
