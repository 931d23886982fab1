import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Clock } from '../../src/domain/clock.ts';
import type { MintId } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { PostgresConfig } from '../../src/providers/postgres/config.ts';
import { postgres } from '../../src/providers/postgres/index.ts';
import type { LedgerPlace, Provider } from '../../src/providers/provider.ts';
import { startPgProxy, type PgProxy } from '../support/pg-proxy.ts';
import { urlFor } from '../support/sql.ts';
import { makeTarget, type Target } from '../support/target.ts';
import type { ProviderHarness } from './harness.ts';

/** What a server answers to a login or a session that is over. */
const REFUSALS = new Set(['28P01', '28000', '42501', '53300', '57P01']);
/** Of the server itself, which runs on this machine. */
const CLOCK: Clock = { now: () => new Date(), offsetMs: () => 0 };

export interface PostgresHarness extends ProviderHarness {
  readonly target: Target;
  /** A provider of the target, by way of `url` or with other settings. */
  make(settings?: {
    url?: string;
    accepted_databases?: string[];
    accepted_creators?: string[];
    clock?: Clock;
    ledger?: () => Promise<LedgerPlace | undefined>;
  }): Provider;
  /** A provider by way of a proxy of its own; closing it closes the proxy. */
  proxied(): Promise<{ readonly provider: Provider; readonly proxy: PgProxy }>;
  /** Connected with an issued credential. */
  login(credential: JsonObject, change?: { database?: string }): Promise<pg.Client>;
  /** As the superuser, to look with. */
  look<T extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
}

/** @param accepted - other databases of the server that PUBLIC may connect to. */
export async function postgresHarness(server?: string, accepted: readonly string[] = []): Promise<PostgresHarness> {
  const target = await makeTarget(server);
  const superuser = new pg.Pool({ connectionString: target.superuserUrl, max: 2 });
  const look = async <T extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
    (await superuser.query<T>(sql, values)).rows;

  /** A role that is harmless, may be granted, and is in no plan. */
  const more = `${target.readonly}_more`;
  await superuser.query(`CREATE ROLE ${more}`);
  await superuser.query(`GRANT ${more} TO ${target.administrator} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`);

  const make: PostgresHarness['make'] = ({ url = target.url, clock = CLOCK, ledger, ...settings } = {}) =>
    postgres.create('target', PostgresConfig.parse({ url, accepted_databases: [...accepted], ...settings }), {
      clock,
      issuer: 'http://127.0.0.1:8080',
      introspectingAudiences: new Set(),
      reservedAudiences: new Set(),
      signer: { sign: () => Promise.reject(new Error('nothing is signed here')) },
      readFile: () => Promise.reject(new Error('no file is read')),
      ...(ledger ? { ledger } : {}),
    });
  const proxied = async () => {
    const proxy = await startPgProxy(target.url);
    const provider = make({ url: proxy.url });
    const close = async () => {
      await provider.close();
      proxy.close();
    };
    return { proxy, provider: { ...provider, close } };
  };
  const login = async (credential: JsonObject, change: { database?: string } = {}) => {
    const client = new pg.Client({ connectionString: urlFor(String(credential['url']), change) });
    client.on('error', () => undefined); // it is there to be cut
    await client.connect();
    return client;
  };
  const lie = (name: string, change: (sql: string) => string) => ({
    name,
    async provider() {
      const { provider, proxy } = await proxied();
      proxy.rewrite(({ from, type, text }) => (from === 'frontend' && type === 'Q' ? change(text) : undefined));
      return provider;
    },
  });

  const provider = make();
  return {
    target,
    make,
    proxied,
    login,
    look,
    provider,
    profile: profileOf(target),
    parameters: {},
    shortestLifeSeconds: 2,
    now: () => new Date(),
    async pass(instant) {
      for (;;) {
        const [row] = await look<{ ms: number }>(
          'SELECT extract(epoch FROM $1 - clock_timestamp())::float8 * 1000 AS ms',
          [instant],
        );
        if (!row || row.ms < 0) return;
        await sleep(row.ms + 1);
      }
    },
    async use(credential) {
      try {
        const client = await login(credential);
        try {
          await client.query('SELECT count(*) FROM orders');
          return 'works';
        } finally {
          await client.end();
        }
      } catch (error) {
        if (error instanceof pg.DatabaseError && REFUSALS.has(error.code ?? '')) return 'refused';
        throw error;
      }
    },
    async hold(credential) {
      const client = await login(credential);
      return {
        alive: () =>
          client.query('SELECT 1').then(
            () => true,
            () => false,
          ),
        close: () => client.end(),
      };
    },
    secrets: (credential) => [String(credential['password'])],
    async alive(mint) {
      const rows = await look(
        `SELECT FROM pg_roles r WHERE r.rolname = $1 AND (r.rolcanlogin AND coalesce(r.rolvaliduntil > now(), true)
           OR EXISTS (SELECT FROM pg_stat_activity s WHERE s.usesysid = r.oid))`,
        [roleName(mint)],
      );
      return rows.length > 0;
    },
    async traces(mint) {
      const rows = await look<{ trace: string }>(
        `SELECT 'role ' || rolname AS trace FROM pg_roles WHERE rolname = $1
         UNION ALL SELECT pg_describe_object(s.classid, s.objid, s.objsubid) FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
         WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = $1`,
        [roleName(mint)],
      );
      return rows.map(({ trace }) => trace);
    },
    faults: {
      async unreachable() {
        const { provider, proxy } = await proxied();
        proxy.refuse();
        return provider;
      },
      async silent() {
        const { provider, proxy } = await proxied();
        proxy.silence();
        return provider;
      },
      refusing: () => Promise.resolve(make({ url: urlFor(target.url, { password: 'not-the-password' }) })),
      async throttled() {
        const user = `${target.administrator}_full`;
        await superuser.query(`DROP ROLE IF EXISTS ${user}`);
        await superuser.query(
          `CREATE ROLE ${user} LOGIN CREATEROLE CONNECTION LIMIT 0 PASSWORD 'x' IN ROLE ${target.readonly}`,
        );
        return make({ url: urlFor(target.url, { user, password: 'x' }) });
      },
      lies: [
        lie('longer', (sql) => sql.replace(/VALID UNTIL '[^']*'/, `VALID UNTIL '2999-01-01T00:00:00.000Z'`)),
        lie('for ever', (sql) => sql.replace(/VALID UNTIL '[^']*'/, `VALID UNTIL 'infinity'`)),
        lie('without an end', (sql) => sql.replace(/VALID UNTIL '[^']*'/, '')),
        lie('more sessions', (sql) => sql.replace(/CONNECTION LIMIT \d+/, 'CONNECTION LIMIT 50')),
        lie('may create roles', (sql) => sql.replace('NOCREATEROLE', 'CREATEROLE')),
        lie('may become its role', (sql) => sql.replace('SET FALSE', 'SET TRUE')),
        lie('may pass its role on', (sql) => sql.replace('ADMIN FALSE', 'ADMIN TRUE')),
        lie('without its role', (sql) => sql.replace(/GRANT [^;]*;/, '')),
        lie('another role', (sql) => sql.replaceAll(/writ_m./g, 'writ_mz')),
        lie('one role more', (sql) =>
          sql.replace(/GRANT (.*) TO (.*) WITH/, `GRANT ${more} TO $2; GRANT $1 TO $2 WITH`),
        ),
        lie('not committed', (sql) => (sql === 'COMMIT' ? 'ROLLBACK' : sql)),
      ],
      async cut(message) {
        const { provider, proxy } = await proxied();
        let happened = false;
        const hold = proxy.hold({ nth: message + 1 });
        void hold.reached.then(async () => {
          happened = true;
          proxy.refuse();
          hold.drop();
          proxy.drop();
        });
        return { provider, happened: () => happened };
      },
      async undecided(plan) {
        const client = new pg.Client({ connectionString: target.url });
        await client.connect();
        await client.query('BEGIN');
        await client.query(`CREATE ROLE ${roleName(plan.mint)} LOGIN`);
        return {
          async settle() {
            await client.query('ROLLBACK');
            await client.end();
          },
        };
      },
    },
    async close() {
      await provider.close();
      await superuser.query(`DROP ROLE IF EXISTS ${target.administrator}_full, ${more}`);
      await superuser.end();
      await target.drop();
    },
  };
}

export function roleName(mint: MintId): string {
  return `writ_${mint}`;
}

export function profileOf(target: Target, section: JsonObject = {}): Profile {
  return {
    name: 'orders-read',
    provider: 'target',
    owner: 'orders',
    environment: 'test',
    effect: 'read',
    ttl: { default: 900, max: 3600, min: 1 },
    parameters: {},
    section: { roles: [target.readonly], connection_limit: 3, ...section },
  };
}
