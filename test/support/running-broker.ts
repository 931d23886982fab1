import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attesterKinds } from '../../src/attesters/index.ts';
import { operatorTrustSchema } from '../../src/attesters/operators.ts';
import { startBroker } from '../../src/broker.ts';
import { loadSettings } from '../../src/config/index.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { providerKinds } from '../../src/providers/index.ts';
import { makePeople } from './people.ts';
import type { People } from './people.ts';
import { makeDatabase } from './database.ts';
import type { TestDatabase } from './database.ts';
import { makeAsk } from './ask.ts';
import type { Ask } from './ask.ts';
import { sampleRules, TOOLS_AUDIENCE } from './running-broker-rules.ts';
import { makeTarget } from './target.ts';
import type { Target } from './target.ts';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A broker in the test's own process, asked over real HTTP. */
export interface RunningBroker {
  readonly url: string;
  readonly ask: Ask;
  readonly log: readonly LogLine[];
  readonly people: People;
  /** The ledger, as its superuser. */
  readonly database: TestDatabase;
  readonly target: Target;
  /** What was applied. */
  readonly rules: RuleFiles;
  /** Another one with the same ledger, target and keys; `settings` are laid over those of the first. */
  replica(options?: ReplicaOptions): Promise<Replica>;
  stop(): Promise<void>;
  /** Stops it and its replicas, and removes everything. */
  close(): Promise<void>;
}

export type Replica = Pick<RunningBroker, 'url' | 'ask' | 'log' | 'stop'>;

export interface ReplicaOptions {
  /** Whole sections of `writ.yaml`, and of `server` and `limits` single members. */
  readonly settings?: JsonObject;
  readonly ownHostOnly?: boolean;
  /** Another way to the ledger, a proxy. */
  readonly databaseUrl?: string;
}

export interface BrokerOptions extends ReplicaOptions {
  /** Applied at the start; null: none are. */
  readonly rules?: RuleFiles | null;
  /** The same, where they name what the target database has. */
  readonly rulesOf?: (target: Target) => RuleFiles;
  /** Another way to the ledger or the target: a proxy in front of each. */
  readonly ledgerVia?: (url: string) => Promise<string>;
  readonly targetVia?: (url: string) => Promise<string>;
}

export async function startRunningBroker(options: BrokerOptions = {}): Promise<RunningBroker> {
  const [database, target] = await Promise.all([makeDatabase(), makeTarget()]);
  const people = makePeople();
  const directory = await mkdtemp(join(tmpdir(), 'writ-http-'));
  const ledgerUrl = (await options.ledgerVia?.(database.brokerUrl)) ?? database.brokerUrl;
  const targetUrl = (await options.targetVia?.(target.url)) ?? target.url;
  await writeFile(join(directory, 'bundle.json'), people.bundle);
  await writeFile(join(directory, 'operators.json'), people.operatorsJwks);
  const env = { WRIT_KEK: randomBytes(32).toString('base64'), ORDERS_DB_URL: targetUrl };
  // Before a broker runs: it takes seconds without a pause, and a connection that is being made meanwhile is given up.
  const rules = options.rules ?? options.rulesOf?.(target) ?? sampleRules(target.readonly);
  const running = new Set<Replica>();

  async function start({
    settings = {},
    ownHostOnly = false,
    databaseUrl = ledgerUrl,
  }: ReplicaOptions): Promise<Replica> {
    await writeFile(join(directory, 'writ.yaml'), JSON.stringify(merged(writYaml, settings)));
    const loaded = await loadSettings({ directory, env, attesterKinds, providerKinds, operatorTrustSchema });
    const log: LogLine[] = [];
    const note = (level: LogLine['level']) => (facts: LogLine['facts'], message: string) =>
      void log.push({ level, facts, message });
    const broker = await startBroker(loaded, {
      databaseUrl,
      log: { info: note('info'), warn: note('warn'), error: note('error') },
      ownHostOnly,
    });
    const replica = { url: broker.url, ask: makeAsk(broker.url), log, stop: broker.close };
    running.add(replica);
    return replica;
  }

  const first = await start(options);
  if (options.rules !== null) {
    const applied = await first.ask('POST', '/v1/generations', {
      as: people.operator('platform'),
      json: { files: rules },
    });
    if (applied.status !== 201) throw new Error(`the rules were not applied: ${applied.text}`);
  }
  return {
    ...first,
    people,
    database,
    target,
    rules,
    replica: ({ settings = {}, ...others } = {}) =>
      start({ ...options, ...others, settings: merged(options.settings ?? {}, settings) }),
    async close() {
      await Promise.all([...running].map((replica) => replica.stop()));
      await Promise.all([database.drop(), target.drop(), rm(directory, { recursive: true })]);
    },
  };
}

/** Limits are out of the way unless a test is about them. `ORDERS_DB_URL` and `WRIT_KEK` come from the environment. */
export const writYaml: JsonObject = {
  server: { host: '127.0.0.1', port: 0, public_url: 'https://writ.test' },
  identity: {
    trust: [
      {
        name: 'mesh',
        kind: 'spiffe',
        trust_domain: 'test.example',
        bundle: { file: 'bundle.json' },
        vouches_for: '2h',
      },
      {
        name: 'brief',
        kind: 'spiffe',
        trust_domain: 'brief.example',
        bundle: { file: 'bundle.json' },
        vouches_for: '90s',
      },
    ],
  },
  operators: {
    trust: [
      {
        issuer: 'https://sso.test',
        audience: 'writ-operators',
        jwks: { file: 'operators.json' },
        roles: Object.fromEntries(
          ['platform', 'security', 'approver', 'auditor'].map((role) => [role, { groups: [role] }]),
        ),
      },
    ],
  },
  providers: {
    'orders-db': { kind: 'postgres', url: '${ORDERS_DB_URL}' },
    tools: { kind: 'jwt' },
    off: { kind: 'jwt', when: '${WRIT_TEST_OFF:-}' },
    'gone-db': { kind: 'postgres', url: 'postgres://nobody:nothing@127.0.0.1:1/nowhere' },
  },
  clients: {
    gateway: { trust: 'mesh', id: 'spiffe://test.example/gateway', may: ['introspect'], audiences: [TOOLS_AUDIENCE] },
    other: {
      trust: 'mesh',
      id: 'spiffe://test.example/other-gateway',
      may: ['introspect'],
      audiences: ['https://other.test'],
    },
    evaluator: {
      trust: 'mesh',
      id: 'spiffe://test.example/evaluator',
      may: ['evaluate'],
      audiences: [TOOLS_AUDIENCE],
    },
  },
  keys: { encryption: [{ id: 'kek-1', key: '${WRIT_KEK}' }] },
  limits: { workload_burst: 100_000, workload_per_second: 100_000, refusals_per_minute: 1_000_000 },
};

function merged(base: JsonObject, over: JsonObject): JsonObject {
  const entries = Object.entries(over).map(([name, value]): [string, Json] => {
    const members = name === 'server' || name === 'limits';
    return [name, members ? { ...(base[name] as JsonObject | undefined), ...(value as JsonObject) } : value];
  });
  return { ...base, ...Object.fromEntries(entries) };
}
