import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { Client } from '../../src/client/index.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { readRules } from '../../src/config/index.ts';
import type { RuleFiles } from '../../src/config/index.ts';
import { keepEvidence } from './evidence.ts';
import { agentId, AUDIENCE, makeAuthority, OPERATORS, TRUST_DOMAIN } from '../support/agents.ts';
import { auditLedger } from '../support/audit-ledger.ts';
import type { AuditedTarget } from '../support/audit-ledger.ts';
import { runWrit, startServe } from '../support/broker-process.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { randomName } from '../support/names.ts';
import { startPgProxy } from '../support/pg-proxy.ts';
import type { PgProxy } from '../support/pg-proxy.ts';
import { testServers } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';

export const TOOLS_AUDIENCE = 'https://tools.test';

/** A broker as its users run it, `writ serve` on a ledger of its own, and the people and programs of a story. */
export interface Story {
  readonly broker: BrokerProcess;
  /** All of them: itself, and as many more as were asked for. */
  readonly brokers: readonly BrokerProcess[];
  /** The broker reaches its ledger by way of this. */
  readonly ledgerProxy: PgProxy;
  /** The ledger, as its superuser. */
  select<Row extends Record<string, unknown>>(sql: string, ...values: unknown[]): Promise<Row[]>;
  agent(name: string, how?: Asking): Client;
  /** The agent that a person runs in their own name. */
  agentOf(person: string): Client;
  /** A token with which a person says that somebody acts on their behalf. */
  person(name: string): string;
  /** An enforcement point: in front of the tools, it asks about whoever calls them. */
  readonly gateway: Client;
  gatewayAt(broker: BrokerProcess): Client;
  operator(subject: string): Client;
  /** `writ ARGUMENTS` as an operator: what it says, a line each. @throws Error when it exits with anything but 0. */
  writ(args: readonly string[], operator: string): Promise<string[]>;
  /** Everything that `writ audit verify` finds, and what lives on these servers without the record, a line each. */
  verify(targets?: readonly AuditedTarget[]): Promise<string[]>;
  close(): Promise<void>;
}

export interface Asking {
  /** Default: the first broker. */
  readonly at?: BrokerProcess;
  /** The task that it is on, by its token. */
  readonly task?: string;
}

export interface StoryOptions {
  /** Entries of `writ.yaml` beside `tools`; what is secret in them stands in `env`. */
  readonly providers?: JsonObject;
  readonly env?: Readonly<Record<string, string>>;
  /** How many brokers there are on the one ledger; default 1. */
  readonly replicas?: number;
}

/** People by their roles; who is in none of them has none. */
const ROLES = {
  platform: ['platform'],
  security: ['security'],
  auditor: ['auditor'],
  approver: ['ada', 'grace', 'barbara'],
};

/** @param rules - profiles, policies and tools; the schema is written from them. */
export async function startStory(rules: RuleFiles, options: StoryOptions = {}): Promise<Story> {
  const undo: (() => unknown)[] = [];
  const close = async () => {
    for (let next = undo.pop(); next; next = undo.pop()) await next();
  };
  try {
    const story = await build(rules, options, (later) => undo.push(later));
    return { ...story, close: () => keepEvidence(story).finally(close) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  rules: RuleFiles,
  { providers = {}, env: more = {}, replicas = 1 }: StoryOptions,
  later: (undo: () => unknown) => void,
): Promise<Omit<Story, 'close'>> {
  const { ledger: server, broker: login } = testServers();
  const database = randomName('story');
  await runSql(server, `CREATE DATABASE ${database}`);
  later(() => runSql(server, `DROP DATABASE ${database} WITH (FORCE)`));
  const ownerUrl = urlFor(server, { database });
  const ledgerProxy = await startPgProxy(urlFor(login, { database }));
  later(ledgerProxy.close);

  const authority = makeAuthority();
  const config = await mkdtemp(join(tmpdir(), 'writ-story-'));
  later(() => rm(config, { recursive: true }));
  const files = {
    'bundle.json': authority.bundle,
    'sso.json': authority.operatorsJwks,
    'writ.yaml': yamlWith(providers),
    ...rules,
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(config, path)), { recursive: true });
    await writeFile(join(config, path), text, { mode: 0o600 });
  }
  const env = { ...more, WRIT_KEK: randomBytes(32).toString('base64'), DATABASE_URL: ledgerProxy.url };
  await runWrit(['check', '--config', config, '--write-schema'], env);
  await runWrit(['migrate', '--config', config], { ...env, DATABASE_URL: ownerUrl });
  const serve = async () => {
    const started = await startServe(config, env);
    later(async () => {
      started.kill('SIGKILL');
      await started.exited;
    });
    return started;
  };
  const broker = await serve();
  const brokers = [broker];
  while (brokers.length < replicas) brokers.push(await serve());
  const pool = new pg.Pool({ connectionString: ownerUrl, max: 2 });
  pool.on('error', () => undefined);
  later(() => pool.end());
  await authority.operator(broker.url, 'platform').operator.apply(await readRules(config));
  const gatewayAt = ({ url }: BrokerProcess) => authority.agent(url, agentId('gateway'));
  return {
    broker,
    brokers,
    ledgerProxy,
    select: async <Row extends Record<string, unknown>>(sql: string, ...values: unknown[]) =>
      (await pool.query<Row>(sql, values)).rows,
    agent: (name, { at = broker, task } = {}) => authority.agent(at.url, agentId(name), task),
    agentOf: (person) => authority.ownAgent(broker.url, person),
    person: authority.person,
    gateway: gatewayAt(broker),
    gatewayAt,
    operator: (subject) => authority.operator(broker.url, subject),
    writ: (args, operator) =>
      runWrit(args, { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: authority.operatorToken(operator) }),
    verify: (targets = []) => auditLedger(pool, targets),
  };
}

const yamlWith = (providers: JsonObject) => `
server: { host: 127.0.0.1, port: 0, public_url: "${AUDIENCE}" }
database: { url: "\${DATABASE_URL}" }
identity:
  trust:
    - { name: mesh, kind: spiffe, trust_domain: ${TRUST_DOMAIN}, bundle: { file: bundle.json }, vouches_for: 1h }
    - { name: people, kind: oidc, issuer: "${OPERATORS.issuer}", jwks: { file: sso.json }, algorithms: [ES256], id: "person:{sub}", vouches_for: 1h, attests: [workloads, principals] }
operators:
  trust:
    - issuer: "${OPERATORS.issuer}"
      audience: ${OPERATORS.audience}
      jwks: { file: sso.json }
      roles: { ${Object.entries(ROLES)
        .map(([role, subjects]) => `${role}: { subjects: [${subjects.join(', ')}] }`)
        .join(', ')} }
providers: ${JSON.stringify({ tools: { kind: 'jwt' }, ...providers })}
clients:
  gateway: { trust: mesh, id: "${agentId('gateway')}", may: [introspect, evaluate], audiences: ["${TOOLS_AUDIENCE}"] }
keys: { encryption: [{ id: kek-1, key: "\${WRIT_KEK}" }] }
limits: { workload_burst: 100000, workload_per_second: 100000 }
`;
