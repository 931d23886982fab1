import { Router } from 'express';
import { z } from 'zod';
import type { OperatorRole } from '../domain/identity.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { AnswerBody, ApprovalsQuery, WaitQuery } from './approvals.ts';
import { AccessRequestBody } from './access-requests.ts';
import type { Step } from './context.ts';
import { EventsQuery, ProofQuery, RangeQuery } from './audit.ts';
import { ArchiveBody, ArchivesQuery } from './archives.ts';
import { HoldBody, HoldsQuery, LiftHoldBody } from './holds.ts';
import { ExceptionAnswerBody, ExceptionBody, ExceptionsQuery, ReviewBody } from './exceptions.ts';
import { EvaluationBody, EvaluationsBody } from './authzen-request.ts';
import { OutcomeBody } from './authzen.ts';
import { DecisionsQuery } from './decisions.ts';
import { ApplyBody } from './generations.ts';
import { ClaimBody, IssueBody, ListQuery, RenewBody, RevokeBody } from './grants.ts';
import { TokenForm } from './oauth.ts';
import { LiftBody, RevocationBody } from './orders.ts';
import { DeadLettersQuery, ReplayBody } from './sinks.ts';
import { TimelineQuery } from './timeline.ts';
import { EndTaskBody, TaskBody, TasksQuery } from './tasks.ts';
import { ExchangeForm } from './token-endpoint.ts';

interface Operation {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  /** Who may call it: a workload, operators of some roles, both, or anybody. */
  readonly workload?: true;
  readonly roles?: readonly OperatorRole[];
  readonly body?: z.ZodType;
  readonly form?: z.ZodType;
  readonly query?: z.ZodType;
  /** Answers that are not problems: status and what it means. */
  readonly answers: Readonly<Record<number, string>>;
}

const READERS = ['security', 'platform', 'auditor', 'approver'] as const;

/** Every route, once. A test holds this list against the routers. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/grants',
    summary: 'Ask for a credential; Idempotency-Key is honoured',
    workload: true,
    body: IssueBody,
    answers: { 201: 'The grant, with its credential, once', 202: 'A person has to approve it first' },
  },
  {
    method: 'get',
    path: '/v1/grants',
    summary: 'List grants, newest first',
    roles: READERS,
    query: ListQuery,
    answers: { 200: 'A page of grants' },
  },
  {
    method: 'get',
    path: '/v1/grants/{id}',
    summary: 'Show a grant, without its credential',
    workload: true,
    roles: READERS,
    answers: { 200: 'The grant' },
  },
  {
    method: 'get',
    path: '/v1/grants/{id}/approval',
    summary: 'How the approval of a grant stands; with `wait`, once it is answered',
    workload: true,
    query: WaitQuery,
    answers: { 200: 'The approval' },
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/claim',
    summary: 'Turn an approved request into its credential, once; Idempotency-Key is honoured',
    workload: true,
    body: ClaimBody,
    answers: { 201: 'The grant, with its credential' },
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/renew',
    summary: 'Decide again, and mint again',
    workload: true,
    body: RenewBody,
    answers: { 201: 'The grant, with a new credential' },
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/revoke',
    summary: 'Take a grant back',
    workload: true,
    roles: ['security'],
    body: RevokeBody,
    answers: { 200: 'The grant; `revoked` once confirmed, `ending` until then' },
  },
  {
    method: 'post',
    path: '/v1/tasks',
    summary: 'Make a task, which what is asked for can hang off; Idempotency-Key is honoured',
    workload: true,
    body: TaskBody,
    answers: { 201: 'The task, and its token' },
  },
  {
    method: 'get',
    path: '/v1/tasks',
    summary: 'List tasks, newest first; a workload its own',
    workload: true,
    roles: READERS,
    query: TasksQuery,
    answers: { 200: 'A page of tasks' },
  },
  {
    method: 'get',
    path: '/v1/tasks/{id}',
    summary: 'Show a task, and what was handed on below it',
    workload: true,
    roles: READERS,
    answers: { 200: 'The task' },
  },
  {
    method: 'post',
    path: '/v1/tasks/{id}/end',
    summary: 'End a task, everything below it, and what hangs off them',
    workload: true,
    roles: ['security'],
    body: EndTaskBody,
    answers: { 200: 'The task, ended' },
  },
  {
    method: 'post',
    path: '/v1/revocations',
    summary: 'Order a revocation',
    roles: ['security'],
    body: RevocationBody,
    answers: { 200: 'What a dry run would match', 201: 'The order' },
  },
  {
    method: 'get',
    path: '/v1/revocations/{id}',
    summary: 'How far an order has come',
    roles: ['security', 'auditor'],
    answers: { 200: 'The order' },
  },
  {
    method: 'post',
    path: '/v1/revocations/{id}/lift',
    summary: 'Stop an order’s blocking',
    roles: ['security'],
    body: LiftBody,
    answers: { 200: 'Lifted', 202: 'Asked for: somebody else has to lift it' },
  },
  {
    method: 'get',
    path: '/v1/approvals',
    summary: 'List approvals, newest first',
    roles: READERS,
    query: ApprovalsQuery,
    answers: { 200: 'A page of approvals' },
  },
  {
    method: 'get',
    path: '/v1/approvals/{id}',
    summary: 'Show an approval: exactly what is asked, by whom, and what was answered',
    roles: READERS,
    answers: { 200: 'The approval' },
  },
  {
    method: 'post',
    path: '/v1/approvals/{id}/approve',
    summary: 'Approve; never one’s own request',
    roles: ['approver', 'security', 'platform'],
    body: AnswerBody,
    answers: { 200: 'The approval; `approved` once enough people have' },
  },
  {
    method: 'post',
    path: '/v1/approvals/{id}/deny',
    summary: 'Deny; one is enough',
    roles: ['approver', 'security', 'platform'],
    body: AnswerBody,
    answers: { 200: 'The approval' },
  },
  {
    method: 'post',
    path: '/access/v1/requests',
    summary: 'AuthZEN Access Request and Approval Profile: put a denied call before a person',
    workload: true,
    body: AccessRequestBody,
    answers: { 202: 'The task; once it is approved the call is asked about again' },
  },
  {
    method: 'get',
    path: '/access/v1/requests/{id}',
    summary: 'How such a request stands; with `wait`, once it is answered',
    workload: true,
    query: WaitQuery,
    answers: { 200: 'The task' },
  },
  {
    method: 'post',
    path: '/v1/exceptions',
    summary: 'Ask for an exception',
    roles: ['platform', 'security'],
    body: ExceptionBody,
    answers: { 201: 'The exception; somebody else has to approve it' },
  },
  {
    method: 'get',
    path: '/v1/exceptions',
    summary: 'List exceptions, newest first',
    roles: READERS,
    query: ExceptionsQuery,
    answers: { 200: 'A page of exceptions' },
  },
  {
    method: 'get',
    path: '/v1/exceptions/{id}',
    summary: 'Show an exception, and how often it was used',
    roles: READERS,
    answers: { 200: 'The exception' },
  },
  {
    method: 'post',
    path: '/v1/exceptions/{id}/approve',
    summary: 'Approve an exception; never one’s own',
    roles: ['security', 'approver'],
    body: ExceptionAnswerBody,
    answers: { 200: 'The exception' },
  },
  {
    method: 'post',
    path: '/v1/exceptions/{id}/deny',
    summary: 'Deny an exception',
    roles: ['security', 'approver'],
    body: ExceptionAnswerBody,
    answers: { 200: 'The exception' },
  },
  {
    method: 'post',
    path: '/v1/exceptions/{id}/end',
    summary: 'End an exception before its time',
    roles: ['platform', 'security'],
    body: ExceptionAnswerBody,
    answers: { 200: 'The exception' },
  },
  {
    method: 'post',
    path: '/v1/exceptions/{id}/review',
    summary: 'Say what was made of an exception; never of one’s own',
    roles: ['security', 'auditor'],
    body: ReviewBody,
    answers: { 200: 'The exception' },
  },
  {
    method: 'post',
    path: '/v1/generations',
    summary: 'Check rules and activate them for all replicas',
    roles: ['platform'],
    body: ApplyBody,
    answers: { 200: 'A dry run, or nothing changed', 201: 'The active generation' },
  },
  {
    method: 'get',
    path: '/v1/generations/{id}',
    summary: 'The files of a generation, by its number or hash, or `active`',
    roles: ['platform', 'auditor'],
    answers: { 200: 'The generation with its files' },
  },
  {
    method: 'get',
    path: '/v1/decisions',
    summary: 'What was decided in a period, oldest first, with all that the policies saw',
    roles: ['auditor', 'platform'],
    query: DecisionsQuery,
    answers: { 200: 'A page of decisions' },
  },
  {
    method: 'get',
    path: '/v1/events',
    summary: 'Sealed events, in their order, from a cursor on',
    roles: ['auditor', 'security', 'platform'],
    query: EventsQuery,
    answers: { 200: 'A page of events' },
  },
  {
    method: 'get',
    path: '/v1/decisions/{id}',
    summary: 'A decision, with everything that the policies saw',
    roles: ['auditor', 'security', 'platform'],
    answers: { 200: 'The decision' },
  },
  {
    method: 'get',
    path: '/v1/tasks/{id}/timeline',
    summary: 'A task and all below it, rebuilt from the record',
    roles: ['auditor', 'security', 'platform'],
    query: TimelineQuery,
    answers: { 200: 'A page of the timeline' },
  },
  {
    method: 'get',
    path: '/v1/audit/evidence',
    summary: 'What there is to show for a span of time, with proofs',
    roles: ['auditor', 'security', 'platform'],
    query: RangeQuery,
    answers: { 200: 'Counts, samples, configuration and use' },
  },
  {
    method: 'get',
    path: '/v1/audit/holds',
    summary: 'Legal holds, newest first',
    roles: ['auditor', 'security', 'platform'],
    query: HoldsQuery,
    answers: { 200: 'A page of holds' },
  },
  {
    method: 'post',
    path: '/v1/audit/holds',
    summary: 'Place a legal hold: no month that it covers is archived',
    roles: ['security'],
    body: HoldBody,
    answers: { 201: 'The hold' },
  },
  {
    method: 'post',
    path: '/v1/audit/holds/{id}/lift',
    summary: 'Lift a legal hold',
    roles: ['security'],
    body: LiftHoldBody,
    answers: { 200: 'The hold' },
  },
  {
    method: 'get',
    path: '/v1/audit/archives',
    summary: 'Months that were put away, with the hashes that stand for their events',
    roles: ['auditor', 'security', 'platform'],
    query: ArchivesQuery,
    answers: { 200: 'The months' },
  },
  {
    method: 'post',
    path: '/v1/audit/archives',
    summary: 'Ask that a month be put away; the database’s owner then does it, within the hour',
    roles: ['security'],
    body: ArchiveBody,
    answers: { 201: 'The request' },
  },
  {
    method: 'get',
    path: '/v1/audit/dead-letters',
    summary: 'What sinks did not take, and how far each sink is',
    roles: ['auditor', 'security', 'platform'],
    query: DeadLettersQuery,
    answers: { 200: 'A page of dead letters' },
  },
  {
    method: 'post',
    path: '/v1/audit/dead-letters/replay',
    summary: 'Have dead letters tried again',
    roles: ['security', 'platform'],
    body: ReplayBody,
    answers: { 202: 'How many' },
  },
  {
    method: 'get',
    path: '/v1/audit/checkpoint',
    summary: 'The newest signed checkpoint of the log, and the key that has signed it',
    roles: READERS,
    answers: { 200: 'The checkpoint' },
  },
  {
    method: 'get',
    path: '/v1/audit/proof',
    summary: 'Proofs of inclusion, of consistency, and of a range (RFC 6962)',
    roles: READERS,
    query: ProofQuery,
    answers: { 200: 'The proof' },
  },
  {
    method: 'get',
    path: '/v1/audit/range',
    summary: 'The leaves that hold the events of a span of time',
    roles: READERS,
    query: RangeQuery,
    answers: { 200: 'The first leaf, and the one behind the last' },
  },
  {
    method: 'post',
    path: '/access/v1/evaluation',
    summary: 'AuthZEN 1.0: may this tool be called with these arguments, now?',
    workload: true,
    body: EvaluationBody,
    answers: { 200: 'The decision; a deny as well' },
  },
  {
    method: 'post',
    path: '/access/v1/evaluations',
    summary: 'AuthZEN 1.0: many of them',
    workload: true,
    body: EvaluationsBody,
    answers: { 200: 'The decisions' },
  },
  {
    method: 'get',
    path: '/.well-known/authzen-configuration',
    summary: 'AuthZEN 1.0 metadata',
    answers: { 200: 'Metadata' },
  },
  {
    method: 'post',
    path: '/v1/tool-calls/{id}/outcome',
    summary: 'Report how a call went, once; by its decision',
    workload: true,
    body: OutcomeBody,
    answers: { 201: 'On record' },
  },
  {
    method: 'post',
    path: '/oauth/token',
    summary: 'RFC 8693: exchange a task token that was handed over for a narrower one',
    workload: true,
    form: ExchangeForm,
    answers: { 200: 'The task token' },
  },
  {
    method: 'post',
    path: '/oauth/introspect',
    summary: 'RFC 7662',
    workload: true,
    form: TokenForm,
    answers: { 200: 'The token’s claims, or {"active": false}' },
  },
  {
    method: 'post',
    path: '/oauth/revoke',
    summary: 'RFC 7009',
    workload: true,
    form: TokenForm,
    answers: { 200: 'The token is not active' },
  },
  { method: 'get', path: '/.well-known/oauth-authorization-server', summary: 'RFC 8414', answers: { 200: 'Metadata' } },
  {
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'The keys that sign tokens',
    answers: { 200: 'A JWK set' },
  },
  { method: 'get', path: '/openapi.json', summary: 'This document', answers: { 200: 'OpenAPI 3.1' } },
  { method: 'get', path: '/healthz', summary: 'Alive', answers: { 200: 'Alive' } },
  {
    method: 'get',
    path: '/readyz',
    summary: 'Ready, and what stands in the way',
    answers: { 200: 'Ready', 503: 'Not ready' },
  },
  { method: 'get', path: '/metrics', summary: 'Prometheus', answers: { 200: 'Metrics' } },
];

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
