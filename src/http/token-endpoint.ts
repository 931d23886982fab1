import { Router } from 'express';
import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import type { Json } from '../domain/json.ts';
import type { Caller } from '../exchange/context.ts';
import type { DelegationRequest } from '../exchange/delegate.ts';
import { TASK_TOKEN_TYPE } from '../exchange/task-token.ts';
import type { OpenedTask } from '../exchange/tasks.ts';
import { toTask } from '../ledger/index.ts';
import { scopeOf } from '../exchange/task-token.ts';
import { counting, workloads } from './authenticate.ts';
import { body, formBody, parse } from './body.ts';
import type { Res, Step } from './context.ts';
import { workloadOf } from './context.ts';
import { OAuthError } from './errors.ts';
import { noStore } from './steps.ts';
import { bounds, purpose, without } from './task-fields.ts';
import { hasDuplicateMember } from './unique-members.ts';

/** Two tokens and what is wanted. */
const MAX_FORM = '64kb';
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

const several = z.union([z.string(), z.array(z.string())]).optional();

/**
 * RFC 8693 §2.1, as draft-ietf-oauth-transaction-tokens profiles it. What else is sent is passed over, as OAuth has it;
 * `request_context` is, because what somebody says of themselves proves nothing.
 */
export const ExchangeForm = z.object({
  grant_type: z.literal(TOKEN_EXCHANGE),
  subject_token: z.string().max(16_384),
  subject_token_type: z.literal(TASK_TOKEN_TYPE),
  actor_token: z.string().max(8_192),
  actor_token_type: z.literal(JWT),
  requested_token_type: z.literal(TASK_TOKEN_TYPE).optional(),
  audience: several,
  resource: several,
  scope: z.string().max(16_384).optional(),
  /** JSON of `RequestDetails`. */
  request_details: z.string().optional(),
  request_context: z.string().optional(),
});

/** What of the parent's task is wanted; what is left out is the parent's. */
export const RequestDetails = z.strictObject({
  ...bounds,
  purpose: purpose.optional(),
  mode: bounds.mode.optional(),
  environment: bounds.environment.optional(),
});

export interface TokenVerbs {
  readonly delegate: (caller: Caller, request: DelegationRequest) => Promise<OpenedTask>;
  readonly attest: (token: string) => Promise<Identity>;
  readonly issuer: string;
}

/** `POST /oauth/token`: a sub-agent exchanges the task token that it was handed for a narrower one of its own. */
export function tokenRouter(verbs: TokenVerbs, asWorkload: Step, errors: ErrorRequestHandler): Router {
  const exchange = body(ExchangeForm, async (form, _req, res) => {
    for (const target of [form.audience ?? [], form.resource ?? []].flat())
      if (target !== verbs.issuer) throw new OAuthError('invalid_target', 'the only audience is this issuer');
    await counting(res, () => mustBeActor(res, form.actor_token)).catch(asOAuth);
    const request = { parent: form.subject_token, ...wishOf(form) };
    const handOn = () => verbs.delegate(workloadOf(res), request);
    const opened = await counting(res, handOn, (code) => code === 'task_token_invalid');
    res.json(answerOf(opened));
  });

  /** The bearer of the request and its actor are one: a token of somebody else's is no proof of who asks. */
  async function mustBeActor(res: Res, token: string): Promise<void> {
    const { identity } = workloadOf(res);
    const actor = await verbs.attest(token);
    if (actor.trust !== identity.trust || actor.id !== identity.id)
      throw new Refusal('evidence_invalid', { problem: 'is of another workload than the bearer token' });
  }

  /** OAuth has one word for all that is wrong with it. */
  function asOAuth(error: unknown): never {
    if (!(error instanceof Refusal)) throw error;
    const { problem } = error.facts;
    throw new OAuthError(
      'invalid_request',
      typeof problem === 'string' ? `actor_token ${problem}` : `actor_token: ${error.code}`,
    );
  }

  const router = Router();
  const form = formBody(MAX_FORM);
  router.post('/oauth/token', noStore, asWorkload, workloads, form, onlyExchange, exchange, errors);
  return router;
}

/** A parameter without a value counts as left out (RFC 6749 §3.1); one that is there twice is an error, by its type. */
const onlyExchange: Step = (req, _res, next) => {
  const given = Object.entries((req.body ?? {}) as Record<string, unknown>).filter(([, value]) => value !== '');
  req.body = Object.fromEntries(given);
  const type = new Map(given).get('grant_type');
  if (typeof type === 'string' && type !== TOKEN_EXCHANGE)
    throw new OAuthError('unsupported_grant_type', 'only token exchange is offered');
  next();
};

function wishOf({ scope, request_details: text }: z.output<typeof ExchangeForm>): Omit<DelegationRequest, 'parent'> {
  const details = text === undefined ? {} : parse(RequestDetails, jsonOf(text), 'request_details', []);
  const { ends_at, max_grants, max_calls, max_ttl_seconds, ...same } = details;
  if (scope !== undefined && (details.profiles ?? details.tools) !== undefined)
    throw new OAuthError('invalid_request', 'profiles and tools are in scope or in request_details, not in both');
  return without({
    ...same,
    ...(scope === undefined ? {} : namesIn(scope)),
    endsAt: ends_at === undefined ? undefined : new Date(ends_at),
    maxGrants: max_grants,
    maxCalls: max_calls,
    maxTtlSeconds: max_ttl_seconds,
  });
}

/** A scope is all that is wanted: without a word for tools there are none. */
function namesIn(scope: string) {
  const of = (kind: string): string[] | undefined => {
    const names = scope
      .split(' ')
      .flatMap((word) => (word.startsWith(`${kind}:`) ? [word.slice(kind.length + 1)] : []));
    return names.includes('*') ? undefined : names;
  };
  const known = scope.split(' ').every((word) => /^(?:profile|tool):[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(word));
  if (!known) throw new OAuthError('invalid_scope', 'words of a scope are profile:NAME and tool:NAME');
  return { profiles: of('profile'), tools: of('tool') };
}

/** What narrows is read by others too: each member stands once, as in a body of theirs. */
function jsonOf(text: string): Json {
  if (hasDuplicateMember(Buffer.from(text)))
    throw new OAuthError('invalid_request', 'request_details has a member twice');
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new OAuthError('invalid_request', 'request_details is not JSON');
  }
}

function answerOf({ row, token }: OpenedTask) {
  const { endsAt, createdAt } = row;
  return {
    access_token: token,
    issued_token_type: TASK_TOKEN_TYPE,
    token_type: 'N_A',
    expires_in: endsAt ? Math.max(0, Math.floor((endsAt.getTime() - createdAt.getTime()) / 1000)) : 0,
    scope: scopeOf(toTask(row)),
    task: row.id,
  };
}
