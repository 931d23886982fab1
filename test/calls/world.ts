import type { Json, JsonObject } from '../../src/domain/json.ts';
import type { Answer } from '../support/ask.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { BrokerOptions, RunningBroker } from '../support/running-broker.ts';
import { callRules } from '../support/tool-rules.ts';

/** An answer on one call, as it travels. */
export interface Decision {
  readonly decision: boolean;
  readonly context: Readonly<Record<string, Json>>;
}

export interface Asking {
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A broker whose rules have tools, and the few calls that every test of decisions makes. */
export async function startCalls(options: BrokerOptions = {}) {
  const broker = await startRunningBroker({ rules: callRules(), ...options });
  const as = (who = 'agent/one') => broker.people.workload(who);

  async function post(path: string, json: unknown, { as: who, headers = {} }: Asking = {}): Promise<Answer> {
    return broker.ask('POST', path, { as: as(who), json, headers });
  }

  return {
    ...broker,
    post,
    /** The request of a call; what is left out is a search by whoever asks. */
    question: (change: { tool?: string; context?: JsonObject } & JsonObject = {}): JsonObject => {
      const { tool = 'search', context = {}, ...rest } = change;
      return { action: { name: 'call' }, resource: { type: 'tool', id: tool }, context, ...rest };
    },
    async evaluate(json: unknown, asking?: Asking): Promise<Decision> {
      const answer = await post('/access/v1/evaluation', json, asking);
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return JSON.parse(answer.text) as Decision;
    },
    async evaluateAll(json: unknown, asking?: Asking): Promise<Decision[]> {
      const answer = await post('/access/v1/evaluations', json, asking);
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return (JSON.parse(answer.text) as { evaluations: Decision[] }).evaluations;
    },
    /** A live grant of the caller's. */
    async grant(
      profile = 'lookup',
      { parameters = {}, who = 'agent/one' }: { parameters?: JsonObject; who?: string } = {},
    ) {
      const answer = await post('/v1/grants', { profile, parameters, purpose: 'test' }, { as: who });
      if (answer.status !== 201) throw new Error(answer.text);
      return { id: String(answer.body['id']), task: String(answer.body['task']) };
    },
    rows: async <Row extends Record<string, unknown>>(sql: string, ...values: unknown[]): Promise<Row[]> =>
      (await broker.database.pool.query<Row>(sql, values)).rows,
  };
}
export type Calls = Awaited<ReturnType<typeof startCalls>>;

/** Reason and facts of a deny, without what every answer has. */
export function reasonOf({ decision, context }: Decision): unknown {
  const { id: _, generation: __, policies: ___, obligations: ____, access_request: _____, ...said } = context;
  return decision ? 'allowed' : said;
}

export type { RunningBroker };
