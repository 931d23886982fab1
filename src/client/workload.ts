import { makeAccessVerbs, type AccessVerbs } from './access-verbs.ts';
import {
  readAwaited,
  readCreatedTask,
  readGrant,
  readIntrospection,
  readIssueAnswer,
  readIssued,
  readEvaluation,
  readEvaluations,
  readTaskToken,
} from './answers.ts';
import type { AwaitedApproval } from './approvals.ts';
import type { Evaluation, EvaluationAnswer, Evaluations, OutcomeReport } from './evaluations.ts';
import type { Grant, GrantRequest, IssueAnswer, IssuedGrant } from './grants.ts';
import type { Introspection } from './oauth.ts';
import { makeTaskVerbs, type TaskVerbs } from './task-verbs.ts';
import type { CreatedTask, TaskRequest, TaskTokenAnswer, TaskWish } from './tasks.ts';
import type { Transport } from './transport.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface IssueOptions extends CallOptions {
  /** Repeating a request under its key never leaves two credentials alive: a repeat ends the earlier one first. */
  readonly idempotencyKey?: string;
}

export interface RenewOptions extends CallOptions {
  readonly ttlSeconds?: number;
}

export interface EvaluateOptions extends CallOptions {
  /**
   * Of the task on which it is called: an enforcement point passes on what it was shown. Default: the client's own. One that does
   * not count is an error, and never as good as none.
   */
  readonly taskToken?: string;
}

/** What a workload may ask, with its evidence. Each verb throws `WritError`. */
export interface WorkloadVerbs extends TaskVerbs, AccessVerbs {
  /** The credential is in this answer and in no other. `pending_approval` where a person must answer first. */
  issue(request: GrantRequest, options?: IssueOptions): Promise<IssueAnswer>;
  /** One of its own grants, without the credential. */
  grant(id: string, options?: CallOptions): Promise<Grant>;
  /** How the approval of one of its own grants stands; with `waitSeconds`, up to 60, as soon as it is answered. */
  awaitApproval(id: string, options?: CallOptions & { readonly waitSeconds?: number }): Promise<AwaitedApproval>;
  /** Turns an approved request into its credential, once. Under a key, an answer that was lost can be asked for again. */
  claim(id: string, options?: IssueOptions): Promise<IssuedGrant>;
  /** Decided again, never past the grant's maximum; a new credential. */
  renew(id: string, options?: RenewOptions): Promise<IssuedGrant>;
  /** Ends one of its own grants. The answer's state is `ending` until the provider has confirmed. */
  revoke(id: string, reason: string, options?: CallOptions): Promise<Grant>;
  /** A task of its own, and the token with which that is shown. A repeat under its key gets the same task. */
  createTask(request: TaskRequest, options?: IssueOptions): Promise<CreatedTask>;
  /** RFC 8693: a part of the task that somebody handed over, as a task of its own and never wider. */
  takeTask(parentToken: string, wish?: TaskWish, options?: CallOptions): Promise<TaskTokenAnswer>;
  /** May this tool be called with these arguments, now? An answer that does not come is no. */
  evaluate(request: Evaluation, options?: EvaluateOptions): Promise<EvaluationAnswer>;
  /** As many at once; there may be fewer answers than requests, as `options.evaluations_semantic` says. */
  evaluateAll(request: Evaluations, options?: EvaluateOptions): Promise<readonly EvaluationAnswer[]>;
  /** How a call went, once; by the id of its decision. */
  reportOutcome(decision: string, report: OutcomeReport, options?: CallOptions): Promise<void>;
  /** RFC 7662: registered clients about any token of theirs, others about their own. */
  introspect(token: string, options?: CallOptions): Promise<Introspection>;
  /** RFC 7009: ends the grant that a token of Writ's belongs to. */
  revokeToken(token: string, options?: CallOptions): Promise<void>;
}

export function makeWorkloadVerbs(transport: Transport): WorkloadVerbs {
  const as = 'workload';
  const onTask = true;
  return {
    async issue(request, { idempotencyKey, signal } = {}) {
      const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      const call = { as, onTask, method: 'POST', path: '/v1/grants' } as const;
      const answer = await transport({ ...call, json: request, headers, signal });
      return answer.status === 202 ? readIssueAnswer(answer) : readIssued(answer);
    },
    async grant(id, { signal } = {}) {
      return readGrant(await transport({ as, method: 'GET', path: grantPath(id), signal }));
    },
    async awaitApproval(id, { waitSeconds, signal } = {}) {
      const query = { wait: waitSeconds?.toString() };
      const path = `${grantPath(id)}/approval`;
      const held = (waitSeconds ?? 0) * 1000;
      return readAwaited(await transport({ as, method: 'GET', path, query, moreMs: held, signal }));
    },
    async claim(id, { idempotencyKey, signal } = {}) {
      const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      const call = { as, onTask, method: 'POST', path: `${grantPath(id)}/claim` } as const;
      return readIssued(await transport({ ...call, json: {}, headers, signal }));
    },
    async renew(id, { ttlSeconds, signal } = {}) {
      const json = ttlSeconds === undefined ? {} : { ttl_seconds: ttlSeconds };
      const call = { as, onTask, method: 'POST', path: `${grantPath(id)}/renew` } as const;
      return readIssued(await transport({ ...call, json, signal }));
    },
    async revoke(id, reason, { signal } = {}) {
      return readGrant(
        await transport({ as, method: 'POST', path: `${grantPath(id)}/revoke`, json: { reason }, signal }),
      );
    },
    async createTask(request, { idempotencyKey, signal } = {}) {
      const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      const call = { as, method: 'POST', path: '/v1/tasks', json: request, headers, signal } as const;
      return readCreatedTask(await transport(call));
    },
    async takeTask(parentToken, wish, { signal } = {}) {
      const form = {
        ...EXCHANGE,
        subject_token: parentToken,
        ...(wish && { request_details: JSON.stringify(wish) }),
      };
      const call = { as, method: 'POST', path: '/oauth/token', form, tokenAs: 'actor_token', signal } as const;
      return readTaskToken(await transport(call));
    },
    ...makeTaskVerbs(transport, as),
    ...makeAccessVerbs(transport),
    async evaluate(request, { signal, taskToken } = {}) {
      const call = { as, onTask: taskToken ?? onTask, method: 'POST', path: '/access/v1/evaluation' } as const;
      return readEvaluation(await transport({ ...call, json: request, signal }));
    },
    async evaluateAll(request, { signal, taskToken } = {}) {
      if (request.evaluations.length === 0) return []; // on the wire that would be a single request
      const call = { as, onTask: taskToken ?? onTask, method: 'POST', path: '/access/v1/evaluations' } as const;
      return readEvaluations(await transport({ ...call, json: request, signal })).evaluations;
    },
    async reportOutcome(decision, report, { signal } = {}) {
      const path = `/v1/tool-calls/${encodeURIComponent(decision)}/outcome`;
      await transport({ as, method: 'POST', path, json: report, signal });
    },
    async introspect(token, { signal } = {}) {
      return readIntrospection(
        await transport({ as, method: 'POST', path: '/oauth/introspect', form: { token }, signal }),
      );
    },
    async revokeToken(token, { signal } = {}) {
      await transport({ as, method: 'POST', path: '/oauth/revoke', form: { token }, signal });
    },
  };
}

const TXN_TOKEN = 'urn:ietf:params:oauth:token-type:txn_token';
const EXCHANGE = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: TXN_TOKEN,
  actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  requested_token_type: TXN_TOKEN,
};

export function grantPath(id: string): string {
  return `/v1/grants/${encodeURIComponent(id)}`;
}
