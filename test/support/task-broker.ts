import type { JsonObject } from '../../src/domain/json.ts';
import type { Answer } from './ask.ts';
import { AUDIENCE, OPERATORS } from './people.ts';
import { startRunningBroker } from './running-broker.ts';
import type { Replica, RunningBroker } from './running-broker.ts';
import { profile, TOOLS_AUDIENCE, withSchema } from './running-broker-rules.ts';

/** What a task says of itself where a test does not care. */
export const TASK = { purpose: 'close the books', mode: 'autonomous', environment: 'staging' } as const;
export const TXN_TOKEN = 'urn:ietf:params:oauth:token-type:txn_token';

/** A broker on which agents make tasks and hand them on, for people who are operators too. */
export interface TaskBroker extends RunningBroker {
  /** `POST /v1/tasks` as an agent. */
  create(who: string, json?: object): Promise<Answer>;
  /** The same, which succeeds: its id and token. */
  task(who: string, json?: object): Promise<{ readonly id: string; readonly token: string }>;
  /** `POST /oauth/token` as an agent, with the token of somebody's task. */
  exchange(who: string, token: string, details?: object, form?: Readonly<Record<string, string>>): Promise<Answer>;
  /** The same, which succeeds. */
  handOn(who: string, token: string, details?: object): Promise<{ readonly id: string; readonly token: string }>;
  /** `POST /v1/grants` as an agent, with a task token if there is one. */
  grant(who: string, json?: object, token?: string, via?: Pick<Replica, 'ask'>): Promise<Answer>;
  /** A token of a person, made out to the broker, that a trust entry for principals verifies. */
  person(subject: string, groups?: readonly string[], claims?: object): string;
  events(type: string): Promise<JsonObject[]>;
}

const POLICIES = `
@id("make") permit (principal in Trust::"mesh", action == Action::"create_task", resource)
when { ["staging", "production"].containsAll(resource.environments) };

@id("make-brief") @max_ttl("90s") permit (principal in Trust::"mesh", action == Action::"create_task", resource)
when { resource.purpose like "brief*" };

@id("name") @on_behalf_of("named") permit (principal == Workload::"mesh/spiffe://test.example/agent/biller", action in [Action::"create_task", Action::"issue"], resource)
when { context has on_behalf_of && context.on_behalf_of like "customer:*" };

@id("no-locked-tasks") forbid (principal, action == Action::"create_task", resource) when { resource.purpose == "locked" };

@id("tasks-that-need-somebody") @requires("approval") forbid (principal, action == Action::"create_task", resource)
when { resource.purpose == "asks" } unless { context has approval };

@id("take") permit (principal in Trust::"mesh", action == Action::"delegate", resource)
when { principal.id like "spiffe://test.example/agent/*" && context has delegation && context.delegation.from.trust == "mesh" };

@id("take-not") forbid (principal == Workload::"mesh/spiffe://test.example/agent/untrusted", action == Action::"delegate", resource);

@id("read") permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource)
when { resource.environment == "staging" };

@id("production-by-hand-over") permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource)
when { resource.environment == "production" && context has delegation && context.delegation.root.id == "spiffe://test.example/agent/lead" };

@id("for-accounting") permit (principal in Trust::"mesh", action == Action::"issue", resource == Profile::"ledger")
when { context has on_behalf_of_verified && context.on_behalf_of_verified.trust == "corp" && context.on_behalf_of_verified.groups.contains("accounting") };
`;

const token = (scope: string) => `jwt: { audience: "${TOOLS_AUDIENCE}", scope: "${scope}" }`;

export async function startTaskBroker(settings: JsonObject = {}): Promise<TaskBroker> {
  const rules = withSchema({
    ...profile(
      'lookup',
      'tools',
      'environment: staging',
      'parameters: { month: { pattern: "[0-9-]{7}", optional: true } }',
      token('lookup'),
    ),
    ...profile('charge', 'tools', 'environment: staging', 'owner: payments', 'effect: purchase', token('charge')),
    ...profile('vault', 'tools', 'environment: production', 'owner: payments', token('vault')),
    ...profile('ledger', 'tools', 'environment: finance', token('ledger')),
    'policies/tasks.cedar': POLICIES,
  });
  const mesh = { kind: 'spiffe', bundle: { file: 'bundle.json' }, vouches_for: '2h' };
  const corp = { kind: 'oidc', issuer: OPERATORS.issuer, jwks: { file: 'operators.json' }, groups: 'groups' };
  const broker = await startRunningBroker({
    rules,
    settings: {
      identity: {
        audience: AUDIENCE,
        trust: [
          { name: 'mesh', trust_domain: 'test.example', ...mesh },
          { name: 'corp', id: 'user:{sub}', attests: ['principals'], vouches_for: '10m', ...corp },
        ],
      },
      ...settings,
    },
  });

  const succeed = (answer: Answer, status: number): Answer => {
    if (answer.status !== status) throw new Error(`${answer.status}: ${answer.text}`);
    return answer;
  };
  const made: TaskBroker = {
    ...broker,
    create: (who, json = {}) =>
      broker.ask('POST', '/v1/tasks', { as: broker.people.workload(who), json: { ...TASK, ...json } }),
    async task(who, json) {
      const { body } = succeed(await made.create(who, json), 201);
      return { id: String(body['id']), token: String(body['token']) };
    },
    exchange: (who, subject, details, form = {}) =>
      broker.ask('POST', '/oauth/token', {
        as: broker.people.workload(who),
        form: {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: subject,
          subject_token_type: TXN_TOKEN,
          actor_token: broker.people.workload(who),
          actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          ...(details && { request_details: JSON.stringify(details) }),
          ...form,
        },
      }),
    async handOn(who, subject, details) {
      const { body } = succeed(await made.exchange(who, subject, details), 200);
      return { id: String(body['task']), token: String(body['access_token']) };
    },
    grant: (who, json = {}, shown, via = broker) =>
      via.ask('POST', '/v1/grants', {
        as: broker.people.workload(who),
        json: { profile: 'lookup', ...json },
        ...(shown === undefined ? {} : { headers: { 'Txn-Token': shown } }),
      }),
    person: (subject, groups = [], claims = {}) =>
      broker.people.operator(undefined, subject, { aud: AUDIENCE, groups, ...claims }),
    async events(type) {
      const { rows } = await broker.database.pool.query<{ body: string }>(
        'select body from events where type = $1 order by seq',
        [type],
      );
      return rows.map(({ body }) => JSON.parse(body) as JsonObject);
    },
  };
  return made;
}
