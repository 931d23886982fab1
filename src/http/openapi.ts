import { Router } from 'express';
import { z } from 'zod';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Step } from './context.ts';
import { OPERATIONS } from './operations/index.ts';
import type { Operation } from './operations/operation.ts';

const PROBLEM = {
  description: 'A problem (RFC 9457) with a stable `code`; OAuth endpoints keep OAuth’s form',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'code'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          code: { type: 'string' },
        },
      },
    },
  },
} as const;

/** OpenAPI 3.1, from the schemas that requests are parsed with. */
export function openApi(version: string, issuer: string): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = described(operation);
  return {
    openapi: '3.1.0',
    info: { title: 'Writ', version, summary: 'Just-in-time credentials for agents' },
    servers: [{ url: issuer }],
    paths,
    components: {
      securitySchemes: {
        workload: { type: 'http', scheme: 'bearer', description: 'The workload’s attested token' },
        operator: { type: 'http', scheme: 'bearer', description: 'An operator’s token, for the operators’ audience' },
      },
    },
  };
}

function described({ path, summary, workload, roles, body, form, query, answers }: Operation): JsonObject {
  const security = [...(workload ? [{ workload: [] }] : []), ...(roles ? [{ operator: [...roles] }] : [])];
  const ids = path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] : [];
  const content = body
    ? { 'application/json': { schema: jsonSchema(body) } }
    : form && { 'application/x-www-form-urlencoded': { schema: jsonSchema(form) } };
  return {
    summary,
    ...(security.length > 0 ? { security } : {}),
    parameters: [...ids, ...(query ? queryParameters(query) : [])],
    ...(content ? { requestBody: { required: true, content } } : {}),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, description]) => [status, { description }])),
      ...(security.length > 0 ? { default: PROBLEM } : {}),
    },
  };
}

function queryParameters(schema: z.ZodType): JsonObject[] {
  const { properties = {} } = jsonSchema(schema) as { properties?: JsonObject };
  return Object.entries(properties).map(([name, member]) => ({ name, in: 'query', schema: member }));
}

/** A member that only a later version takes has no schema: it is not described. */
function jsonSchema(schema: z.ZodType): JsonObject {
  const written = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return JSON.parse(JSON.stringify(written), (key, value: unknown) =>
    key === '$schema' || isEmpty(value) ? undefined : value,
  ) as JsonObject;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

export function openApiRouter(document: JsonObject): Router {
  const show: Step = (_req, res) => {
    res.json(document);
  };
  const router = Router();
  router.get('/openapi.json', show);
  return router;
}
