import type { JsonObject } from '../../src/domain/json.ts';
import type { Answer } from '../support/ask.ts';
import { AUDIENCE, OPERATORS } from '../support/people.ts';
import { callRules, tool } from '../support/tool-rules.ts';
import { TXN_TOKEN } from '../support/task-broker.ts';
import { startCalls } from './world.ts';

const POLICIES = `
@id("make") permit (principal in Trust::"mesh", action == Action::"create_task", resource);

@id("take") permit (principal in Trust::"mesh", action == Action::"delegate", resource)
when { context has delegation && context.delegation.from.trust == "mesh" };

@id("audits-alone") forbid (principal, action == Action::"call", resource == Tool::"ledger")
unless { context.task.purpose like "audit*" };

@id("not-while-supervised-by-hand") forbid (principal, action == Action::"call", resource == Tool::"ledger")
when { context.task.mode == "autonomous" && context.task.environments.contains("production") };
`;

/** Calls of tools by agents that are on a task: a broker on which tasks are made and handed on, and tools of each effect. */
export async function startCallsOnTasks() {
  const oidc = { kind: 'oidc', issuer: OPERATORS.issuer, jwks: { file: 'operators.json' } };
  const calls = await startCalls({
    rules: callRules({
      'policies/tasks.cedar': POLICIES,
      ...tool('ledger'),
      ...tool('far', 'environment: production'),
    }),
    settings: {
      identity: {
        audience: AUDIENCE,
        trust: [
          {
            name: 'mesh',
            kind: 'spiffe',
            trust_domain: 'test.example',
            bundle: { file: 'bundle.json' },
            vouches_for: '2h',
          },
          { name: 'corp', ...oidc, id: 'user:{sub}', attests: ['principals'], vouches_for: '10m' },
        ],
      },
    },
  });

  const made = (answer: Answer, status: number): Answer => {
    if (answer.status !== status) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  };
  return {
    ...calls,
    /** A task of somebody's, with its token. */
    async task(change: JsonObject = {}, who = 'agent/one') {
      const json = { purpose: 'audit the books', mode: 'autonomous', environment: 'test', ...change };
      const { body } = made(await calls.post('/v1/tasks', json, { as: who }), 201);
      return { id: String(body['id']), token: String(body['token']) };
    },
    /** A part of a task, handed on to somebody else. */
    async handOn(token: string, details: JsonObject = {}, who = 'agent/two') {
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: TXN_TOKEN,
        actor_token: calls.people.workload(who),
        actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        request_details: JSON.stringify(details),
      };
      const answer = await calls.ask('POST', '/oauth/token', { as: calls.people.workload(who), form });
      const { body } = made(answer, 200);
      return { id: String(body['task']), token: String(body['access_token']) };
    },
    person: (subject: string, claims: object = {}) =>
      calls.people.operator(undefined, subject, { aud: AUDIENCE, ...claims }),
  };
}
export type CallsOnTasks = Awaited<ReturnType<typeof startCallsOnTasks>>;
