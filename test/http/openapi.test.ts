import { readdir } from 'node:fs/promises';
import type { ErrorRequestHandler, RequestHandler, Router } from 'express';
import { Registry } from 'prom-client';
import { auditRouter } from '../../src/http/audit.ts';
import { evidencePackRouter } from '../../src/http/evidence-pack.ts';
import { archivesRouter } from '../../src/http/archives.ts';
import { holdsRouter } from '../../src/http/holds.ts';
import { sinksRouter } from '../../src/http/sinks.ts';
import { timelineRouter } from '../../src/http/timeline.ts';
import { accessRequestsRouter } from '../../src/http/access-requests.ts';
import { approvalsRouter } from '../../src/http/approvals.ts';
import { exceptionsRouter } from '../../src/http/exceptions.ts';
import { authzenRouter } from '../../src/http/authzen.ts';
import { decisionsRouter } from '../../src/http/decisions.ts';
import { generationsRouter } from '../../src/http/generations.ts';
import { grantsRouter } from '../../src/http/grants.ts';
import { healthRouter } from '../../src/http/health.ts';
import { oauthRouter } from '../../src/http/oauth.ts';
import { openApi, openApiRouter } from '../../src/http/openapi.ts';
import { OPERATIONS } from '../../src/http/operations/index.ts';
import { ordersRouter } from '../../src/http/orders.ts';
import { tasksRouter } from '../../src/http/tasks.ts';
import { tokenRouter } from '../../src/http/token-endpoint.ts';

const step: RequestHandler = (_req, _res, next) => next();
const errors: ErrorRequestHandler = (error, _req, _res, next) => next(error);
const never = () => Promise.reject(new Error('nothing is asked here'));
const auth = { asWorkload: step, asOperator: step, taskContext: step };

/** One of each: what they would do is of no interest here. */
const ROUTERS: Readonly<Record<string, Router>> = {
  grantsRouter: grantsRouter(
    {
      ...{ issue: never, claim: never, renew: never, revoke: never, find: never, list: never },
      ...{ approvalUrl: () => '', approvalOf: never, awaitApproval: never, resolvePrincipal: never },
    },
    auth,
    step,
  ),
  approvalsRouter: approvalsRouter({ show: never, list: never, answer: never, ofGrant: never }, () => '', step, step),
  accessRequestsRouter: accessRequestsRouter(
    { submit: never, show: never, reask: never, taskOf: never, requestUrl: () => '' },
    step,
    step,
  ),
  exceptionsRouter: exceptionsRouter(
    { show: never, list: never, request: never, answer: never, end: never, review: never },
    step,
    step,
  ),
  ordersRouter: ordersRouter({ show: never, list: never, dryRun: never, create: never, lift: never }, step, step),
  tasksRouter: tasksRouter(
    { resolvePrincipal: never, list: never, create: never, show: never, find: never, end: never },
    step,
    step,
  ),
  tokenRouter: tokenRouter({ delegate: never, attest: never, issuer: '' }, step, errors),
  generationsRouter: generationsRouter({ apply: never, find: never, filesOf: () => ({}) }, step, step),
  decisionsRouter: decisionsRouter({ decision: never, decisions: never, now: () => new Date(0) }, step),
  authzenRouter: authzenRouter({ evaluate: never, reportOutcome: never, issuer: '' }, step, step),
  oauthRouter: oauthRouter({ introspect: never, revokeToken: never, jwks: never, issuer: '' }, step, errors),
  auditRouter: auditRouter(
    { checkpoint: never, proof: never, events: never, decision: never, decisions: never, range: never },
    '1.2.3',
    step,
  ),
  timelineRouter: timelineRouter(never, step),
  evidencePackRouter: evidencePackRouter(never, step),
  sinksRouter: sinksRouter({ deadLetters: never, replay: never }, step, step),
  archivesRouter: archivesRouter({ request: never, list: never }, step, step),
  holdsRouter: holdsRouter({ list: never, place: never, lift: never }, step, step),
  healthRouter: healthRouter(never, new Registry()),
  openApiRouter: openApiRouter({}),
};

const document = openApi('1.2.3', 'https://writ.test');
const text = JSON.stringify(document);

test('it lists exactly the routes that the routers have', () => {
  const routes = Object.values(ROUTERS).flatMap(({ stack }) =>
    stack.flatMap(({ route }) =>
      (route?.stack ?? []).map(({ method }) => `${method} ${String(route?.path).replaceAll(/:(\w+)/g, '{$1}')}`),
    ),
  );
  const listed = operations.map(({ method, path }) => `${method} ${path}`);
  expect(listed.sort()).toEqual([...new Set(routes)].sort());
  expect(listed).toHaveLength(OPERATIONS.length);
});

test('every router of the room is among them', async () => {
  const directory = new URL('../../src/http/', import.meta.url);
  const modules = await Promise.all(
    (await readdir(directory)).map(async (file) => (await import(new URL(file, directory).href)) as object),
  );
  const routers = modules.flatMap((module) => Object.keys(module).filter((name) => name.endsWith('Router')));
  expect(Object.keys(ROUTERS).sort()).toEqual(routers.sort());
});

test('the frame is that of OpenAPI 3.1', () => {
  expect(document).toMatchObject({
    openapi: expect.stringMatching(/^3\.1\.\d+$/),
    info: { title: expect.any(String), version: '1.2.3' },
    servers: [{ url: 'https://writ.test' }],
  });
  expect(Object.keys(document).sort()).toEqual(['components', 'info', 'openapi', 'paths', 'servers']);
});

interface Described {
  readonly summary: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: object;
  }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: Readonly<Record<string, unknown>> }>>;
  };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}
const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, Described>> };
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test.each(operations)('$method $path is described as OpenAPI 3.1 wants it', ({ path, method, operation }) => {
  const { summary, security = [], parameters, requestBody, responses, ...more } = operation;
  expect(more).toEqual({});
  expect(summary).not.toBe('');
  expect(Object.keys(responses).length).toBeGreaterThan(0);
  for (const [status, { description }] of Object.entries(responses)) {
    expect(status).toMatch(/^[1-5]\d\d$|^default$/);
    expect(description).not.toBe('');
  }
  const schemes = Object.keys((document['components'] as { securitySchemes: object }).securitySchemes);
  for (const requirement of security) for (const scheme of Object.keys(requirement)) expect(schemes).toContain(scheme);
  const inPath = parameters.filter((parameter) => parameter.in === 'path');
  expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
  expect(inPath.every(({ required }) => required)).toBe(true);
  expect(new Set(parameters.map(({ name }) => name)).size).toBe(parameters.length);
  if (method === 'get') expect(requestBody).toBeUndefined();
  for (const { schema } of Object.values(requestBody?.content ?? {})) expect(schema['type']).toBe('object');
});

test('unknown members are said to be an error; a form’s and those of AuthZEN are not', () => {
  for (const { path, operation } of operations) {
    for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {}))
      expect([path, schema['additionalProperties']]).toEqual([
        path,
        type === 'application/json' && !path.startsWith('/access/') ? false : undefined,
      ]);
  }
});
