import type { JsonObject } from '../domain/json.ts';
import type { TokenSource } from './credential-source.ts';
import { makeOperatorVerbs, type OperatorVerbs } from './operator.ts';
import { makeTransport, type Fetch } from './transport.ts';
import { makeWorkloadVerbs, type CallOptions, type WorkloadVerbs } from './workload.ts';

export interface ClientOptions {
  /** Where the broker listens; a path is kept, so that it may stand behind a prefix. */
  readonly url: string;
  /** Evidence of a workload's identity; `credentialSource(env)` reads it as the command line does. */
  readonly identityToken?: TokenSource;
  readonly operatorToken?: TokenSource;
  /** The task that the workload is on: shown with what it asks for. */
  readonly taskToken?: TokenSource;
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  /** For one request, its answer's body included. Default 30,000. */
  readonly timeoutMs?: number;
}

export interface Client {
  readonly workload: WorkloadVerbs;
  readonly operator: OperatorVerbs;
  /** Whether the process is alive: answers, or throws `WritError`. */
  health(options?: CallOptions): Promise<JsonObject>;
  /** Whether it can do its work, and what stands in the way. @throws WritError when there is no answer. */
  ready(options?: CallOptions): Promise<Readiness>;
}

export interface Readiness {
  readonly ready: boolean;
  /** What the broker says of its parts. */
  readonly detail: JsonObject;
}

/** @throws TypeError when `url` is not one. */
export function makeClient(options: ClientOptions): Client {
  const transport = makeTransport({
    ...options,
    fetch: options.fetch ?? globalThis.fetch,
    timeoutMs: options.timeoutMs ?? 30_000,
  });
  const probe = { as: 'anybody', method: 'GET' } as const;
  return {
    workload: makeWorkloadVerbs(transport),
    operator: makeOperatorVerbs(transport),
    health: async ({ signal } = {}) => (await transport({ ...probe, path: '/healthz', signal })).body,
    ready: async ({ signal } = {}) => {
      const answer = await transport({ ...probe, path: '/readyz', alsoFine: [503], signal });
      return { ready: answer.status === 200, detail: answer.body };
    },
  };
}
