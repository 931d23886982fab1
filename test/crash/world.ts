import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { readRules } from '../../src/config/index.ts';
import type { Client, Credential, IssuedGrant } from '../../src/client/index.ts';
import { agentId, AUDIENCE, makeAuthority, OPERATORS, TRUST_DOMAIN } from '../support/agents.ts';
import { auditLedger } from '../support/audit-ledger.ts';
import { runWrit, startServe, type BrokerProcess } from '../support/broker-process.ts';
import { randomName } from '../support/names.ts';
import { startPgProxy, type PgProxy } from '../support/pg-proxy.ts';
import { testServers, type TestServers } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';
import { makeTarget, type Target } from '../support/target.ts';
import { until } from '../support/waiting.ts';

export interface Replica extends BrokerProcess {
  readonly agent: (name?: string) => Client;
  readonly security: Client;
}

/** A ledger and a target with a proxy before each, and brokers as real processes between them. */
export interface World {
  /** The ledger as its superuser. */
  readonly ledger: pg.Pool;
  readonly target: Target;
  readonly ledgerProxy: PgProxy;
  readonly targetProxy: PgProxy;
  /** A broker; by way of the proxies unless it is `direct`. */
  start(how?: 'proxied' | 'direct'): Promise<Replica>;
  /** SIGKILL, and everything that it had sent has arrived, or is lost. */
  crash(broker: Replica, held?: { release(): void; drop(): void }, end?: 'release' | 'drop'): Promise<void>;
  /** What waits for a time has waited for it: deadlines of mints, leases, pauses between attempts. */
  passTime(): Promise<void>;
  /** Comes back when nothing is under way. */
  settled(): Promise<void>;
  /**
   * Comes back when `by`, which is direct, has ended every grant from the `from`th on that may still live, as its own or in
   * place of whoever began by way of the proxies.
   */
  takenOver(by: Replica, from?: number): Promise<void>;
  /** The logins on the target that still are some. */
  logins(): Promise<string[]>;
  /** Everything that is wrong; see `auditLedger`. */
  audit(): Promise<string[]>;
  /** All grants, oldest first, with their mints, and one of them. */
  grants(): Promise<GrantRow[]>;
  grant(id: string): Promise<GrantRow>;
  /** A login, as agent `one`, under an idempotency key perhaps; and a token. */
  issue(by: Replica, key?: string): Promise<IssuedGrant>;
  token(by: Replica): Promise<IssuedGrant>;
  /** Logs in with an issued credential, past all proxies, and uses it. */
  works(grant: IssuedGrant): Promise<boolean>;
  /** The same, and stays. */
  session(grant: IssuedGrant): Promise<Session>;
  /** Comes back when the ended mints of a grant have been cleared away. */
  cleared(grant: string): Promise<void>;
  /** The roles on the target that its mints still have. */
  rolesOf(grant: string): Promise<string[]>;
  /** One column of the ledger. */
  select(sql: string): Promise<string[]>;
  /** Comes back when it is so many milliseconds after an instant, by the ledger's clock. */
  reach(instant: string, ms: number): Promise<void>;
  /** Those of these grants that have a login which still is one, or a session. */
  livingOf(grants: ReadonlySet<string>): Promise<string[]>;
  /** What a resource server that asks by way of `by` is told of a token. */
  isActive(by: Replica, credential: Credential): Promise<boolean>;
  /** Has the server behind a proxy end the brokers' connections, as a shutdown does. */
  terminate(at: 'ledgerProxy' | 'targetProxy'): Promise<void>;
  /** Lifts every order. */
  liftAll(by: Replica): Promise<void>;
  close(): Promise<void>;
}

export interface GrantRow {
  readonly id: string;
  readonly state: string;
  readonly why: string | null;
  /** It was active once. */
  readonly issued: boolean;
  readonly mints: readonly { readonly state: string; readonly outcome: string | null }[];
}

export interface Session {
  alive(): Promise<boolean>;
  close(): Promise<void>;
}

/** Logins of the target; and tokens, whose every attribute that an order can name differs. */
export const PROFILE = 'orders-read';
export const TOOLS_PROFILE = 'tools-read';
const GATEWAY = agentId('gateway');
const TOOLS_AUDIENCE = 'https://tools.test';
const OPEN: ReadonlySet<string> = new Set(['issuing', 'active', 'ending', 'stuck']);
export const PROVIDER = 'orders-db';

/** @param server - with the ledger: its superuser's URL, and that of a login with a broker's rights. */
export async function makeWorld(server: Pick<TestServers, 'ledger' | 'broker'> = testServers()): Promise<World> {
  const cleanups: (() => Promise<unknown> | void)[] = [];
  const close = async () => {
    for (let next = cleanups.pop(); next; next = cleanups.pop()) await next();
  };
  try {
    return { ...(await build(server, (cleanup) => cleanups.push(cleanup))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  server: Pick<TestServers, 'ledger' | 'broker'>,
  later: (cleanup: () => Promise<unknown> | void) => void,
): Promise<Omit<World, 'close'>> {
  const database = randomName('crash');
  await runSql(server.ledger, `CREATE DATABASE ${database}`);
  later(() => runSql(server.ledger, `DROP DATABASE ${database} WITH (FORCE)`));
  const superuserUrl = urlFor(server.ledger, { database });
  const brokerUrl = urlFor(server.broker, { database });
  const target = await makeTarget();
  later(target.drop);
  const pool = (connectionString: string) => {
    const made = new pg.Pool({ connectionString, max: 4 });
    made.on('error', () => undefined);
    later(() => made.end());
    return made;
  };
  const proxy = async (url: string) => {
    const started = await startPgProxy(url);
    later(started.close);
    return started;
  };
  const ledger = pool(superuserUrl);
  const looking = pool(target.superuserUrl);
  const [ledgerProxy, targetProxy] = [await proxy(brokerUrl), await proxy(target.url)];
  const owners = new Set<string>();
  ledgerProxy.count({
    from: 'frontend',
    match: ({ type, body }) => {
      const owner = type === 'B' && /"owner":"([^"]+)"/.exec(body.toString('latin1'))?.[1];
      if (owner) owners.add(owner);
      return false;
    },
  });
  const authority = makeAuthority();
  const config = await writeConfig(authority, target);
  later(() => rm(config, { recursive: true }));

  const env = { WRIT_KEK: randomBytes(32).toString('base64'), WRIT_LOG_LEVEL: 'info' };
  const direct = { ...env, DATABASE_URL: brokerUrl, ORDERS_DB_URL: target.url };
  const proxied = { ...env, DATABASE_URL: ledgerProxy.url, ORDERS_DB_URL: targetProxy.url };
  const start: World['start'] = async (how = 'proxied') => {
    const broker = await startServe(config, how === 'direct' ? direct : proxied);
    later(() => stop(broker));
    return Object.assign(broker, {
      agent: (name = 'one') => authority.agent(broker.url, agentId(name)),
      security: authority.operator(broker.url, 'security'),
    });
  };

  await runWrit(['check', '--config', config, '--write-schema'], direct);
  await runWrit(['migrate', '--config', config], { ...direct, DATABASE_URL: superuserUrl });
  const first = await start('direct');
  await authority.operator(first.url, 'platform').operator.apply(await readRules(config));
  await stop(first);

  const passDeadlines = () =>
    ledger.query(
      `update mints set deadline = clock_timestamp(), due_at = clock_timestamp() where state = 'intent' and deadline > clock_timestamp()`,
    );
  /** Also of what a stopped replica claims when it is stopped already: its last claim was on its way. */
  const passLeases = () =>
    ledger.query(
      `update mints set due_at = clock_timestamp()
         where state = 'ending' and due_at > clock_timestamp() and claimed_by = any($1)`,
      [[...owners]],
    );
  const passTime = async () => {
    await passDeadlines();
    await ledger.query(
      `update mints set due_at = clock_timestamp() where state = 'ending' and due_at > clock_timestamp()`,
    );
    await ledger.query(`update mints set cleanup_due_at = clock_timestamp() where cleanup_due_at > clock_timestamp()`);
  };
  const settled = () =>
    until(async () => {
      const { rows } = await ledger.query(
        `select from grants join mints on grant_id = grants.id
           where grants.state in ('issuing', 'ending', 'stuck') or mints.state in ('intent', 'ending')
         union all select from orders where swept_at is null limit 1`,
      );
      return rows.length === 0;
    });
  const select = async (sql: string) =>
    (await ledger.query<[string]>({ text: sql, rowMode: 'array' })).rows.map(([value]) => value);
  const grants = async () => {
    const { rows } = await ledger.query<GrantRow>(
      `select id, state, why, issued_at is not null as issued, (select jsonb_agg(jsonb_build_object('state', m.state, 'outcome', m.outcome) order by m.id)
         from mints m where m.grant_id = grants.id) as mints from grants order by opened_at`,
    );
    return rows;
  };

  return {
    ledger,
    target,
    ledgerProxy,
    targetProxy,
    start,
    async crash(broker, held, end = 'drop') {
      broker.kill('SIGKILL');
      await broker.exited;
      held?.[end]();
      await until(() => ledgerProxy.connections + targetProxy.connections === 0);
    },
    passTime,
    settled,
    async takenOver(by, from = 0) {
      await passTime();
      await until(async () => {
        await passDeadlines();
        await passLeases();
        const open = (await grants()).slice(from).filter(({ state }) => OPEN.has(state));
        for (const { id, state } of open) if (state === 'active') await by.security.operator.revoke(id, 'taken over');
        return open.length === 0;
      });
    },
    async logins() {
      const { rows } = await looking.query<{ rolname: string }>(
        `select rolname from pg_roles r where rolcanlogin and rolname ^@ 'writ_m' and exists (
           select from pg_auth_members m join pg_roles a on a.oid = m.member where m.roleid = r.oid and a.rolname = $1)`,
        [target.administrator],
      );
      return rows.map(({ rolname }) => rolname);
    },
    audit: () => auditLedger(ledger, [{ provider: PROVIDER, pool: looking, administrator: target.administrator }]),
    grants,
    async grant(id) {
      const found = (await grants()).find((grant) => grant.id === id);
      if (!found) throw new Error(`no grant ${id}`);
      return found;
    },
    issue: (by, idempotencyKey) => issue(by, PROFILE, idempotencyKey),
    token: (by) => issue(by, TOOLS_PROFILE),
    works: (grant) => works(target, grant),
    session: (grant) => session(target, grant),
    async cleared(grant) {
      const sql = `select from mints where grant_id = $1 and (state <> 'ended' or cleanup_due_at is not null)`;
      await until(async () => (await ledger.query(sql, [grant])).rows.length === 0);
    },
    async rolesOf(grant) {
      const { rows } = await ledger.query<{ role: string }>(
        `select 'writ_' || id as role from mints where grant_id = $1`,
        [grant],
      );
      const roles = rows.map(({ role }) => role);
      const there = await looking.query<{ rolname: string }>('select rolname from pg_roles where rolname = any($1)', [
        roles,
      ]);
      return there.rows.map(({ rolname }) => rolname);
    },
    select,
    async reach(instant, ms) {
      const left = `select greatest(0, $2 + 1000 * extract(epoch from $1::timestamptz - clock_timestamp()))::float8 as ms`;
      const { rows } = await ledger.query<{ ms: number }>(left, [instant, ms]);
      await sleep(rows[0]?.ms ?? 0);
    },
    async livingOf(wanted) {
      const { rows } = await looking.query<{ mint: string }>(
        `select substr(rolname, 6) as mint from pg_roles r where rolname ^@ 'writ_m'
           and (rolcanlogin or exists (select from pg_stat_activity s where s.usesysid = r.oid))`,
      );
      const mints = rows.map(({ mint }) => mint);
      const living = await ledger.query<{ grant_id: string }>('select grant_id from mints where id = any($1)', [mints]);
      return living.rows.map(({ grant_id }) => grant_id).filter((id) => wanted.has(id));
    },
    async isActive(by, credential) {
      if (credential.type !== 'jwt') throw new Error(`a credential of another type, ${credential.type}`);
      const gateway = authority.agent(by.url, GATEWAY);
      return (await gateway.workload.introspect(credential.token)).active;
    },
    async terminate(at) {
      await (at === 'ledgerProxy' ? ledger : looking).query(
        `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and usename <> current_user and backend_type = 'client backend'`,
      );
    },
    async liftAll(by) {
      const second = authority.operator(by.url, 'other').operator;
      for (const id of await select('select id from orders where lifted_at is null')) {
        const { outcome } = await by.security.operator.liftOrder(id, 'the test is over');
        if (outcome === 'lift_requested') await second.liftOrder(id, 'the test is over');
      }
    },
  };
}

async function stop(broker: BrokerProcess): Promise<void> {
  broker.kill('SIGCONT');
  broker.kill('SIGKILL');
  await broker.exited;
}

async function issue(by: Replica, profile: string, idempotencyKey?: string): Promise<IssuedGrant> {
  const options = idempotencyKey === undefined ? {} : { idempotencyKey };
  const grant = await by.agent().workload.issue({ profile, purpose: 'test' }, options);
  if (grant.state !== 'active') throw new Error(`the grant is ${grant.state}`);
  return grant;
}

async function session(target: Target, { credential }: IssuedGrant): Promise<Session> {
  if (credential.type !== 'postgres') throw new Error(`a credential of another type, ${credential.type}`);
  const { username: user, password } = credential;
  const client = new pg.Client({ connectionString: urlFor(target.superuserUrl, { user, password }) });
  client.on('error', () => undefined); // it is there to be cut
  await client.connect();
  const use = () => client.query('SELECT count(*) FROM orders');
  await use();
  return {
    alive: () =>
      use().then(
        () => true,
        () => false,
      ),
    close: () => client.end(),
  };
}

async function works(target: Target, grant: IssuedGrant): Promise<boolean> {
  try {
    await (await session(target, grant)).close();
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && REFUSALS.has(error.code ?? '')) return false;
    throw error;
  }
}

/** A login that is over, and one that ends while it is tried. */
const REFUSALS = new Set(['28P01', '28000', '42501', '57P01']);

async function writeConfig(authority: ReturnType<typeof makeAuthority>, target: Target): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'writ-crash-'));
  const files = {
    'bundle.json': authority.bundle,
    'operators.json': authority.operatorsJwks,
    'writ.yaml': WRIT_YAML,
    ...rules(target),
  };
  for (const folder of ['profiles', 'policies']) await mkdir(join(directory, folder));
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text, { mode: 0o600 });
  return directory;
}

const WRIT_YAML = `
server: { host: 127.0.0.1, port: 0, public_url: "${AUDIENCE}" }
database: { url: "\${DATABASE_URL}" }
identity:
  trust:
    - { name: mesh, kind: spiffe, trust_domain: ${TRUST_DOMAIN}, bundle: { file: bundle.json }, vouches_for: 1h }
operators:
  trust:
    - issuer: "${OPERATORS.issuer}"
      audience: ${OPERATORS.audience}
      jwks: { file: operators.json }
      roles: { security: { subjects: [security, other] }, platform: { subjects: [platform] } }
providers:
  ${PROVIDER}: { kind: postgres, url: "\${ORDERS_DB_URL}" }
  tools: { kind: jwt }
clients:
  gateway: { trust: mesh, id: "${GATEWAY}", may: [introspect], audiences: ["${TOOLS_AUDIENCE}"] }
keys: { encryption: [{ id: kek-1, key: "\${WRIT_KEK}" }] }
limits: { workload_burst: 100000, workload_per_second: 100000 }
`;

const rules = (target: Target) => ({
  [`profiles/${PROFILE}.yaml`]: `
name: ${PROFILE}
provider: ${PROVIDER}
owner: orders
environment: test
effect: read
ttl: { default: 10m, max: 1h, min: 2s }
postgres: { roles: [${target.readonly}], connection_limit: 5 }
`,
  [`profiles/${TOOLS_PROFILE}.yaml`]: `
name: ${TOOLS_PROFILE}
provider: tools
owner: payments
environment: shop
effect: read
ttl: { default: 10m, max: 1h, min: 2s }
jwt: { audience: "${TOOLS_AUDIENCE}", scope: "refund:read" }
`,
  'policies/agents.cedar': `
@id("agents-read")
permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource)
when { resource.effect == "read" && context.task.purpose != "" };
`,
});
