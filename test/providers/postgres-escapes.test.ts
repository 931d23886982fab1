import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { MintRecord, MintRequest } from '../../src/providers/provider.ts';
import { blocksOf, readPage } from '../docs/pages.ts';
import { startOwnServer } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';
import { closeToPublic } from '../support/target.ts';
import { postgresHarness, profileOf, roleName } from './postgres-harness.ts';

/** What somebody who holds a login tries, so that access outlives it or reaches further than its profile says. */
const server = await startOwnServer({ settings: { max_connections: '60', max_prepared_transactions: '5' } });
await closeToPublic(server.url.reveal());
const harness = await postgresHarness(server.url.reveal());
const { target, look } = harness;
/** The name of another database of the server, which logins may connect to, and of a role that may make things. */
const shared = `${target.database}_shared`;
const builder = `${target.readonly}_builder`;
const bystander = `${target.readonly}_bystander`;
await runSql(
  server.url.reveal(),
  `CREATE DATABASE ${shared} OWNER ${target.administrator}`,
  `CREATE ROLE ${bystander} LOGIN PASSWORD 'x'`,
);
await runSql(
  target.url,
  `CREATE ROLE ${builder} NOLOGIN`,
  `GRANT CONNECT, TEMPORARY ON DATABASE ${target.database} TO ${builder}`,
  `GRANT CREATE, USAGE ON SCHEMA public TO ${builder}`,
  `GRANT SELECT, INSERT, TRIGGER ON orders TO ${builder}`,
);
await runSql(urlFor(target.url, { database: shared }), `GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC`);

const provider = harness.make({ accepted_databases: [shared], accepted_creators: [builder] });
const forever = new AbortController().signal;
const ids = makeIds(randomBytes, Date.now);

afterAll(async () => {
  await provider.close();
  await harness.close();
  await server.stop();
});

interface Issued {
  readonly record: MintRecord;
  readonly role: string;
  readonly credential: JsonObject;
  end(): Promise<void>;
  cleanUp(): Promise<void>;
}

function request(): MintRequest {
  const now = new Date();
  return {
    mint: ids.mint(),
    grant: ids.grant(),
    task: ids.task(),
    subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/mallory' },
    now,
    endsAt: new Date(now.getTime() + 600_000),
  };
}

async function issue(section: JsonObject = { roles: [target.readonly, builder] }): Promise<Issued> {
  const asked = request();
  const plan = provider.plan(profileOf(target, { connection_limit: 20, ...section }), {}, asked);
  const { credential, handle } = await provider.mint(plan, forever);
  const record = { mint: asked.mint, grant: asked.grant, endsAt: asked.endsAt, request: plan.request };
  return {
    record,
    role: roleName(asked.mint),
    credential: credential.reveal(),
    async end() {
      expect(await provider.end(record, handle, 'revocation', forever)).toEqual({ kind: 'ended' });
      expect(await harness.alive(asked.mint)).toBe(false);
    },
    async cleanUp() {
      expect(await provider.cleanup?.(record, forever)).toEqual({ kind: 'done' });
      expect(await harness.traces(asked.mint)).toEqual([]);
    },
  };
}

const denied = (call: Promise<unknown>) => expect(call).rejects.toMatchObject({ code: '42501' });

describe('statements that are denied', () => {
  let issued: Issued;
  let client: pg.Client;
  beforeAll(async () => {
    issued = await issue();
    client = await harness.login(issued.credential);
  });
  afterAll(async () => {
    await client.end();
    await issued.end();
    await issued.cleanUp();
  });

  test.each([
    { name: 'become the granted role', sql: () => `SET ROLE ${target.readonly}` },
    { name: 'become the administrator', sql: () => `SET ROLE ${target.administrator}` },
    { name: 'become another session', sql: () => `SET SESSION AUTHORIZATION ${target.readonly}` },
    { name: 'live longer', sql: () => `ALTER ROLE ${issued.role} VALID UNTIL 'infinity'` },
    { name: 'have more sessions', sql: () => `ALTER ROLE ${issued.role} CONNECTION LIMIT -1` },
    { name: 'create roles', sql: () => `ALTER ROLE ${issued.role} CREATEROLE` },
    { name: 'pass row security', sql: () => `ALTER ROLE ${issued.role} BYPASSRLS` },
    { name: 'make a role', sql: () => 'CREATE ROLE accomplice LOGIN' },
    { name: 'make a database', sql: () => 'CREATE DATABASE hiding_place' },
    { name: 'grant itself to another', sql: () => `GRANT ${issued.role} TO ${bystander}` },
    { name: 'grant its role to another', sql: () => `GRANT ${target.readonly} TO ${bystander}` },
    { name: 'grant itself more', sql: () => `GRANT pg_read_server_files TO ${issued.role}` },
    {
      name: 'be granted by another grantor',
      sql: () => `GRANT ${builder} TO ${bystander} GRANTED BY ${target.administrator}`,
    },
    {
      name: 'end sessions of others',
      sql: () => "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'writ'",
    },
    { name: 'read a file of the server', sql: () => "SELECT pg_read_file('PG_VERSION')" },
    { name: 'run a program', sql: () => "COPY orders FROM PROGRAM 'true'" },
    { name: 'read passwords', sql: () => 'SELECT rolpassword FROM pg_authid' },
  ])('$name', async ({ sql }) => {
    await denied(client.query(sql()));
  });

  test.each(['TABLE', 'FUNCTION', 'SCHEMA'])(
    'give a %s of its own to the granted role, where it would stay',
    async (kind) => {
      await client.query('CREATE TABLE IF NOT EXISTS own (x int)');
      await client.query('CREATE OR REPLACE FUNCTION own() RETURNS int LANGUAGE sql RETURN 1');
      if (kind === 'SCHEMA') return denied(client.query(`CREATE SCHEMA own AUTHORIZATION ${target.readonly}`));
      return denied(client.query(`ALTER ${kind} own OWNER TO ${target.readonly}`));
    },
  );

  test.each(['postgres', 'template1'])('connecting to %s', async (database) => {
    await denied(harness.login(issued.credential, { database }));
  });
});

describe('what outlives no end', () => {
  test('a changed password', async () => {
    const issued = await issue();
    const client = await harness.login(issued.credential);
    await client.query(`ALTER ROLE ${issued.role} PASSWORD 'of-my-own'`);
    const renewed = { ...issued.credential, url: urlFor(String(issued.credential['url']), { password: 'of-my-own' }) };
    expect(await harness.use(renewed)).toBe('works');
    await issued.end();
    expect(await harness.use(renewed)).toBe('refused');
    await expect(client.query('SELECT 1')).rejects.toThrow();
    await issued.cleanUp();
  });

  test('a setting that makes each login become another role', async () => {
    const issued = await issue();
    const client = await harness.login(issued.credential);
    await client.query(`ALTER ROLE ${issued.role} SET role = '${target.administrator}'`).catch(() => undefined);
    await client.end();
    const again = await harness.login(issued.credential);
    expect((await again.query('SELECT current_user AS is')).rows).toEqual([{ is: issued.role }]);
    await issued.end();
    await issued.cleanUp();
  });

  test('sessions in another database, in a transaction, asleep, and waiting for a lock', async () => {
    const issued = await issue();
    const holder = new pg.Client({ connectionString: target.superuserUrl });
    await holder.connect();
    await holder.query('SELECT pg_advisory_lock(1)');
    const sessions = await Promise.all([
      harness.login(issued.credential),
      harness.login(issued.credential),
      harness.login(issued.credential),
      harness.login(issued.credential, { database: shared }),
    ]);
    const [open, asleep, waiting] = sessions;
    await open.query('BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE');
    const working = [asleep.query('SELECT pg_sleep(600)'), waiting.query('SELECT pg_advisory_lock(1)')].map((query) =>
      query.then(
        () => 'went on',
        () => 'cut',
      ),
    );
    await issued.end();
    expect(await Promise.all(working)).toEqual(['cut', 'cut']);
    await holder.end();
    for (const session of sessions) await expect(session.query('SELECT 1')).rejects.toThrow();
    await issued.cleanUp();
  });

  test('logins that race the end, again and again', async () => {
    const issued = await issue();
    let racing = true;
    let successes = 0;
    const race = async () => {
      while (racing) {
        try {
          await harness.login(issued.credential); // and stays
          successes++;
        } catch {
          await sleep(1);
        }
      }
    };
    const racers = Array.from({ length: 6 }, race);
    while (successes < 6) await sleep(5);
    await issued.end();
    const atTheEnd = successes;
    await sleep(300);
    racing = false;
    await Promise.all(racers);
    expect(successes).toBe(atTheEnd);
    expect(await harness.alive(issued.record.mint)).toBe(false);
    await issued.cleanUp();
  });

  test('a login that was let in before the end, and starts so slowly that nobody can see it yet', async () => {
    const issued = await issue();
    await provider.names?.(forever); // its connection is there
    await look('ALTER SYSTEM SET post_auth_delay = 1');
    await look('SELECT pg_reload_conf()');
    await sleep(200); // the postmaster has read it
    const login = harness.login(issued.credential);
    await sleep(300); // let in, and asleep
    await issued.end();
    await expect(login.then((client) => client.query('SELECT 1'))).rejects.toThrow();
    expect(await harness.alive(issued.record.mint)).toBe(false);
    await look('ALTER SYSTEM RESET post_auth_delay');
    await look('SELECT pg_reload_conf()');
    await issued.cleanUp();
  });
});

/** What a login may do to its own row, or to those that it is granted by, in a transaction that stays open. */
describe('a login that holds up its own end', () => {
  const changes = {
    'changes its password': () => `ALTER ROLE CURRENT_USER PASSWORD 'of-my-own'`,
    'drops what it owns': () => 'DROP OWNED BY CURRENT_USER',
  };
  const gone = async (client: pg.Client) => expect(client.query('SELECT 1')).rejects.toThrow();

  test.each(Object.entries(changes))('%s, and idles', async (_name, sql) => {
    const issued = await issue();
    const [idle, other] = [await harness.login(issued.credential), await harness.login(issued.credential)];
    await idle.query('BEGIN');
    await idle.query(sql());
    await issued.end();
    await gone(idle);
    await gone(other);
    expect(await harness.use(issued.credential)).toBe('refused');
    await issued.cleanUp();
  });

  test.each(
    Object.entries(changes).flatMap(([name, sql]) =>
      [target.database, shared].map((database) => ({
        name,
        sql,
        database,
        where: database === shared ? 'another' : 'the',
      })),
    ),
  )('$name, and prepares that in $where database', async ({ sql, database }) => {
    const issued = await issue();
    const client = await harness.login(issued.credential, { database });
    await client.query('BEGIN');
    await client.query(sql());
    await client.query(`PREPARE TRANSACTION '${issued.role}'`);
    await client.end();
    await issued.end();
    await issued.cleanUp();
    expect(await look('SELECT FROM pg_prepared_xacts')).toEqual([]);
  });

  test('changes its password again and again, from all its sessions', async () => {
    const issued = await issue();
    let racing = true;
    let changed = 0;
    const race = async () => {
      while (racing) {
        try {
          const client = await harness.login(issued.credential);
          for (;;) {
            await client.query(`ALTER ROLE CURRENT_USER PASSWORD '${String(issued.credential['password'])}'`);
            changed++;
          }
        } catch {
          await sleep(1);
        }
      }
    };
    const racers = Array.from({ length: 4 }, race);
    while (changed < 20) await sleep(5);
    await issued.end();
    racing = false;
    await Promise.all(racers);
    expect(await harness.alive(issued.record.mint)).toBe(false);
    await issued.cleanUp();
  });

  test('and one that nobody can get rid of: it is said, and comes right once it is gone', async () => {
    const issued = await issue();
    const holder = new pg.Client({ connectionString: target.superuserUrl });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query(`ALTER ROLE ${issued.role} PASSWORD 'x'`);
    const client = await harness.login(issued.credential);
    await expect(provider.end(issued.record, {}, 'revocation', forever)).rejects.toMatchObject({
      code: 'provider_timeout',
      facts: { sqlstate: '55P03' },
    });
    await gone(client);
    await holder.query('ROLLBACK');
    await holder.end();
    await issued.end();
    await issued.cleanUp();
  });
});

test('by hand, as the page says: the login is gone, with its sessions and what it made', async () => {
  const recipe = blocksOf(await readPage('docs/providers/postgres.md')).find(({ text }) =>
    text.startsWith('ALTER ROLE "writ_m..." NOLOGIN'),
  );
  const issued = await issue();
  const client = await harness.login(issued.credential);
  await client.query('CREATE TABLE by_hand (x int)');
  const statements = String(recipe?.text)
    .replaceAll('writ_m...', issued.role)
    .replaceAll('writ_admin', target.administrator);
  await runSql(target.url, ...statements.split('\n'));
  await expect(client.query('SELECT 1')).rejects.toThrow();
  expect(await harness.traces(issued.record.mint)).toEqual([]);
  expect(await look(`SELECT FROM pg_class WHERE relname = 'by_hand'`)).toEqual([]);
  await issued.end();
  await issued.cleanUp();
});

test('one that was only kept from logging in by hand is cleared away all the same', async () => {
  const issued = await issue();
  const client = await harness.login(issued.credential);
  await client.query('CREATE TABLE left_behind (x int)');
  await client.end();
  await runSql(target.url, `ALTER ROLE ${issued.role} NOLOGIN`);
  while ((await look(`SELECT FROM pg_stat_activity WHERE usename = '${issued.role}'`)).length > 0) await sleep(20);
  await issued.cleanUp();
});

/** Postgres allows these to whoever inherits from the granted role, SET FALSE or not: the set-up has to prevent them. */
describe('what membership itself allows', () => {
  const withoutMint = async (section: JsonObject, want: JsonObject, by = provider) => {
    const asked = request();
    const plan = by.plan(profileOf(target, section), {}, asked);
    await expect(by.mint(plan, forever)).rejects.toMatchObject({
      code: 'provider_refused',
      nothingLives: true,
      facts: want,
    });
    expect(await harness.traces(asked.mint)).toEqual([]);
  };

  test('giving a table away with REASSIGN OWNED: a role that may create is refused, unless it is accepted', async () => {
    const strict = harness.make({ accepted_databases: [shared] });
    await withoutMint({ roles: [builder] }, { findings: ['role_may_create'] }, strict);
    await strict.close();
    const issued = await issue();
    const client = await harness.login(issued.credential);
    await client.query('CREATE VIEW gift AS SELECT * FROM orders');
    await client.query(`REASSIGN OWNED BY ${issued.role} TO ${target.readonly}`);
    await issued.end();
    await issued.cleanUp();
    await withoutMint(
      { roles: [target.readonly] },
      { finding: 'role_too_powerful', role: target.readonly, because: ['owner'] },
    );
    await runSql(target.superuserUrl, 'DROP VIEW gift');
    const again = await issue({ roles: [target.readonly] });
    await again.end();
    await again.cleanUp();
  });

  test('dropping a policy with DROP OWNED: a role that policies name is refused, until the guard is there', async () => {
    await runSql(
      target.url,
      'ALTER TABLE orders ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY everybody ON orders USING (true)',
      `CREATE POLICY narrow ON orders AS RESTRICTIVE FOR SELECT TO ${target.readonly} USING (customer = 'ada')`,
    );
    await withoutMint(
      { roles: [target.readonly] },
      { finding: 'role_too_powerful', role: target.readonly, because: ['policy'] },
    );
    const health = await provider.check(forever, [profileOf(target)]);
    const guard = health.findings.find(({ code }) => code === 'role_in_policy')?.message.split('database: ')[1];
    await runSql(target.superuserUrl, String(guard));

    const issued = await issue({ roles: [target.readonly] });
    const client = await harness.login(issued.credential);
    const customers = async () => (await client.query<{ customer: string }>('SELECT customer FROM orders')).rows;
    expect(await customers()).toEqual([{ customer: 'ada' }]);
    await denied(client.query(`DROP OWNED BY ${target.readonly}`));
    await denied(client.query(`DO $$ BEGIN EXECUTE 'DROP OWNED BY ${target.readonly}'; END $$`));
    expect(await customers()).toEqual([{ customer: 'ada' }]);
    await issued.end();
    await issued.cleanUp();
    await runSql(target.superuserUrl, 'DROP EVENT TRIGGER writ_guard', 'DROP POLICY narrow ON orders');
  });
});

describe('what is left behind', () => {
  /** Everything in a database that is not Postgres' own, by kind and name. */
  const inventory = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ thing: string }>(
      `SELECT 'relation ' || relname AS thing FROM pg_class WHERE relnamespace = 'public'::regnamespace
       UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
       UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
       UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
       UNION ALL SELECT 'large object ' || oid FROM pg_largeobject_metadata
       UNION ALL SELECT 'defaults ' || defaclobjtype::text FROM pg_default_acl
       UNION ALL SELECT 'acl ' || relname || relacl::text FROM pg_class WHERE relname = 'orders'
       ORDER BY 1`,
    );
    await client.end();
    return rows.map(({ thing }) => thing);
  };
  const places = [target.superuserUrl, urlFor(target.superuserUrl, { database: shared })];
  const everywhere = () => Promise.all(places.map(inventory));

  test('tables, functions, types, large objects, default privileges, a trigger on the table of another, in every database', async () => {
    const before = await everywhere();
    const issued = await issue();
    const client = await harness.login(issued.credential);
    await client.query(`
      CREATE TABLE loot AS SELECT * FROM orders;
      GRANT ALL ON loot TO PUBLIC;
      CREATE VIEW peephole AS SELECT * FROM orders;
      CREATE MATERIALIZED VIEW copy AS SELECT * FROM orders;
      CREATE SEQUENCE counter;
      CREATE TYPE mood AS ENUM ('bad');
      CREATE FUNCTION door() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO loot SELECT NEW.*; RETURN NEW; END';
      CREATE TRIGGER door BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION door();
      CREATE AGGREGATE many(int) (SFUNC = int4pl, STYPE = int);
      CREATE OPERATOR ### (LEFTARG = oid, RIGHTARG = oid, FUNCTION = oideq);
      ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
      SELECT lo_from_bytea(0, 'kept');
      CREATE TEMPORARY TABLE scratch (x int)`);
    const abroad = await harness.login(issued.credential, { database: shared });
    await abroad.query('CREATE TABLE abroad (x int)');
    expect(await everywhere()).not.toEqual(before);
    await issued.end();
    await issued.cleanUp();
    expect(await everywhere()).toEqual(before);
    await runSql(target.url, `INSERT INTO orders VALUES (4, 'barbara', 1)`, 'DELETE FROM orders WHERE id = 4');
  });

  test('until its end the administrator is no member of it: a mint costs no more the more logins live', async () => {
    const issued = await issue();
    const members = `SELECT inherit_option OR set_option AS member FROM pg_auth_members WHERE roleid = '${issued.role}'::regrole`;
    expect(await look(members)).toEqual([{ member: false }]);
    await issued.end();
    await issued.cleanUp();
  });

  test('what another login built on it, or was granted of it', async () => {
    const before = await everywhere();
    const [one, other] = [await issue(), await issue()];
    const client = await harness.login(one.credential);
    await client.query(`CREATE TABLE base (x int); GRANT ALL ON base TO ${other.role}`);
    const built = await harness.login(other.credential);
    await built.query('CREATE VIEW upon AS SELECT * FROM base');
    await other.end();
    await other.cleanUp();
    expect((await client.query('SELECT * FROM base')).rows).toEqual([]);
    await one.end();
    await one.cleanUp();
    expect(await everywhere()).toEqual(before);
  });

  test('a prepared transaction', async () => {
    const issued = await issue();
    const client = await harness.login(issued.credential);
    await client.query('BEGIN');
    await client.query('CREATE TABLE prepared (x int)');
    await client.query(`PREPARE TRANSACTION '${issued.role}'`);
    await issued.end();
    await issued.cleanUp();
    expect(await look('SELECT gid FROM pg_prepared_xacts')).toEqual([]);
  });

  test('memberships that people gave to the login by hand, and privileges on what is the administrator’s', async () => {
    const issued = await issue();
    await runSql(
      target.superuserUrl,
      `GRANT SELECT ON orders TO ${issued.role}`,
      `GRANT pg_monitor TO ${issued.role}`,
      `GRANT ${issued.role} TO ${bystander}`,
    );
    await issued.end();
    await issued.cleanUp();
  });

  test('privileges that only those who gave them can take back: it is dead, and removed as soon as they have', async () => {
    const issued = await issue();
    await runSql(target.superuserUrl, `GRANT CONNECT ON DATABASE postgres TO ${issued.role}`);
    await issued.end();
    await expect(provider.cleanup?.(issued.record, forever)).rejects.toMatchObject({ facts: { sqlstate: '2BP01' } });
    await runSql(target.superuserUrl, `REVOKE CONNECT ON DATABASE postgres FROM ${issued.role}`);
    await issued.cleanUp();
  });

  test('nothing is removed while it is alive', async () => {
    const issued = await issue();
    await expect(provider.cleanup?.(issued.record, forever)).rejects.toMatchObject({ facts: { finding: 'not_ended' } });
    expect(await harness.use(issued.credential)).toBe('works');
    await issued.end();
    await issued.cleanUp();
  });
});
