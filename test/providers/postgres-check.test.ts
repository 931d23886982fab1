import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { LedgerPlace, Provider } from '../../src/providers/provider.ts';
import { startOwnServer } from '../support/servers.ts';
import { runSql, urlFor } from '../support/sql.ts';
import { closeToPublic } from '../support/target.ts';
import { postgresHarness, profileOf } from './postgres-harness.ts';

/** A server alone, since what is wrong here would be wrong for every other test. */
const server = await startOwnServer({ settings: { max_connections: '50', max_prepared_transactions: '1' } });
const superuser = server.url.reveal();
await closeToPublic(superuser);
const harness = await postgresHarness(superuser);
const { target } = harness;
const forever = new AbortController().signal;
const ids = makeIds(randomBytes, Date.now);
const bundle = `${target.readonly}_bundle`;

beforeAll(async () => {
  await runSql(
    superuser,
    `CREATE ROLE ${bundle} NOLOGIN`,
    `GRANT CONNECT ON DATABASE ${target.database} TO ${bundle}`,
    `GRANT ${bundle} TO ${target.administrator} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`,
  );
});
afterAll(async () => {
  await harness.close();
  await server.stop();
});

async function codesOf(provider: Provider, section: JsonObject = { roles: [bundle] }): Promise<string[]> {
  const { findings, healthy } = await provider.check(forever, [profileOf(target, section)]);
  expect(healthy).toBe(findings.every(({ severity }) => severity !== 'error'));
  return findings.map(({ code }) => code);
}

function mint(provider: Provider, section: JsonObject = { roles: [bundle] }) {
  const now = new Date();
  const asked = {
    mint: ids.mint(),
    grant: ids.grant(),
    task: ids.task(),
    subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/checked' },
    now,
    endsAt: new Date(now.getTime() + 600_000),
  };
  return provider.mint(provider.plan(profileOf(target, section), {}, asked), forever);
}

/** Of a safe set-up on this server: the one setting that cannot be changed while it runs. */
const USUAL = ['prepared_transactions_on'];

test('a safe set-up has no errors', async () => {
  expect(await codesOf(harness.provider)).toEqual(USUAL);
});

describe('a set-up that is not safe: found, and nothing is minted', () => {
  interface Case {
    readonly code: string;
    readonly wrong: readonly string[];
    readonly right: readonly string[];
    /** The repair that the message itself names, to be run as the superuser. */
    readonly says?: string;
  }
  const cases: readonly Case[] = [
    {
      code: 'database_open_to_public',
      wrong: ['GRANT CONNECT ON DATABASE postgres TO PUBLIC'],
      right: ['REVOKE CONNECT ON DATABASE postgres FROM PUBLIC'],
      says: 'REVOKE CONNECT ON DATABASE "postgres" FROM PUBLIC',
    },
    {
      code: 'administrator_cannot_create_roles',
      wrong: [`ALTER ROLE ${target.administrator} NOCREATEROLE`],
      right: [`ALTER ROLE ${target.administrator} CREATEROLE`],
      says: `ALTER ROLE "${target.administrator}" CREATEROLE`,
    },
    {
      code: 'role_not_grantable',
      wrong: [`REVOKE ADMIN OPTION FOR ${bundle} FROM ${target.administrator}`],
      right: [`GRANT ${bundle} TO ${target.administrator} WITH ADMIN TRUE`],
      says: `GRANT "${bundle}" TO "${target.administrator}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`,
    },
    {
      code: 'role_missing',
      wrong: [`ALTER ROLE ${bundle} RENAME TO gone`],
      right: [`ALTER ROLE gone RENAME TO ${bundle}`],
      says: `CREATE ROLE "${bundle}" NOLOGIN`,
    },
    {
      code: 'role_may_create',
      wrong: [`GRANT CREATE ON SCHEMA public TO PUBLIC`],
      right: ['REVOKE CREATE ON SCHEMA public FROM PUBLIC'],
      says: 'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    },
    {
      code: 'role_may_create',
      wrong: [`GRANT CREATE ON DATABASE ${target.database} TO ${bundle}`],
      right: [`REVOKE CREATE ON DATABASE ${target.database} FROM ${bundle}`],
      says: `REVOKE CREATE ON DATABASE ${target.database} FROM "${bundle}"`,
    },
    {
      code: 'role_may_pass_on',
      wrong: [`GRANT SELECT ON orders TO ${bundle} WITH GRANT OPTION`],
      right: [`REVOKE ALL ON orders FROM ${bundle}`],
    },
    {
      code: 'role_may_pass_on',
      wrong: [`GRANT SELECT (id) ON orders TO ${bundle} WITH GRANT OPTION`],
      right: [`REVOKE ALL (id) ON orders FROM ${bundle}`],
    },
    ...['SUPERUSER', 'CREATEROLE', 'CREATEDB', 'REPLICATION', 'BYPASSRLS'].map((power) => ({
      code: 'role_too_powerful',
      wrong: [`ALTER ROLE ${bundle} ${power}`],
      right: [`ALTER ROLE ${bundle} NO${power}`],
    })),
    ...[
      'pg_execute_server_program',
      'pg_write_server_files',
      'pg_read_server_files',
      'pg_signal_backend',
      'pg_checkpoint',
    ].map((role) => ({
      code: 'role_too_powerful',
      wrong: [`GRANT ${role} TO ${bundle}`],
      right: [`REVOKE ${role} FROM ${bundle}`],
    })),
    {
      code: 'role_too_powerful', // through another, which it may not even use
      wrong: [`CREATE ROLE between CREATEROLE`, `GRANT between TO ${bundle} WITH INHERIT FALSE, SET FALSE`],
      right: ['DROP ROLE between'],
    },
    {
      code: 'role_too_powerful',
      wrong: [`CREATE ROLE passed`, `GRANT passed TO ${bundle} WITH ADMIN TRUE, INHERIT FALSE`],
      right: ['DROP ROLE passed'],
    },
    {
      code: 'role_too_powerful',
      wrong: ['CREATE TABLE owned (x int)', `ALTER TABLE owned OWNER TO ${bundle}`],
      right: ['DROP TABLE owned'],
    },
    {
      code: 'role_in_policy',
      wrong: [`CREATE POLICY named ON orders TO ${bundle} USING (true)`],
      right: ['DROP POLICY named ON orders'],
    },
  ];

  test.each(cases)('$code (case %#)', async ({ code, wrong, right, says }) => {
    const provider = harness.make();
    await runSql(target.superuserUrl, ...wrong);
    try {
      const { findings, healthy } = await provider.check(forever, [profileOf(target, { roles: [bundle] })]);
      expect(healthy).toBe(false);
      expect(findings.map((finding) => finding.code)).toContain(code);
      if (says) expect(findings.map(({ message }) => message).join()).toContain(says);
      await expect(mint(provider)).rejects.toMatchObject({ code: 'provider_refused', nothingLives: true });
    } finally {
      await runSql(target.superuserUrl, ...right);
      await provider.close();
    }
    expect(await codesOf(harness.provider)).toEqual(USUAL);
  });

  test('harmless predefined roles may be granted', async () => {
    await runSql(superuser, `GRANT pg_read_all_data, pg_monitor TO ${bundle}`);
    expect(await codesOf(harness.provider)).toEqual(USUAL);
    await runSql(superuser, `REVOKE pg_read_all_data, pg_monitor FROM ${bundle}`);
  });

  test('what became wrong since the last look is still found before the commit', async () => {
    const provider = harness.make();
    await mint(provider);
    await runSql(superuser, `ALTER ROLE ${bundle} CREATEROLE`);
    await expect(mint(provider)).rejects.toMatchObject({
      code: 'provider_refused',
      nothingLives: true,
      facts: { finding: 'role_too_powerful', role: bundle, because: ['createrole'] },
    });
    await runSql(superuser, `ALTER ROLE ${bundle} NOCREATEROLE`);
    await mint(provider);
    await provider.close();
  });

  test('the set-up is looked at again each minute while it is safe, and soon while it is not', async () => {
    let nowMs = Date.now();
    const provider = harness.make({ clock: { now: () => new Date(nowMs), offsetMs: () => 0 } });
    const open = { code: 'provider_refused', facts: { findings: ['database_open_to_public'] } };
    await mint(provider);
    await runSql(superuser, 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
    nowMs += 59_000;
    await mint(provider);
    nowMs += 2_000;
    await expect(mint(provider)).rejects.toMatchObject(open);
    await runSql(superuser, 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
    await expect(mint(provider)).rejects.toMatchObject(open);
    nowMs += 6_000;
    await mint(provider);
    await provider.close();
  });
});

describe('what is accepted by name', () => {
  test('a database that PUBLIC may connect to, but never the ledger’s', async () => {
    await runSql(superuser, 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
    const [place] = await harness.look<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
    const ledger = (database: string) => () =>
      Promise.resolve<LedgerPlace>({ systemIdentifier: place?.id ?? '', database });
    const accepting = { accepted_databases: ['postgres'] };
    const cases = [
      { settings: {}, want: ['database_open_to_public'] },
      { settings: accepting, want: [] },
      { settings: { ...accepting, ledger: ledger('another') }, want: ['ledger_on_same_server'] },
      {
        settings: { ...accepting, ledger: ledger('postgres') },
        want: ['ledger_open_to_public', 'ledger_on_same_server'],
      },
      { settings: { ...accepting, ledger: () => Promise.reject(new Error('no ledger')) }, want: [] },
    ];
    for (const { settings, want } of cases) {
      const provider = harness.make(settings);
      expect(await codesOf(provider)).toEqual([...want, ...USUAL]);
      await provider.close();
    }
    await runSql(superuser, 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
  });

  test('a role that may create objects', async () => {
    await runSql(target.superuserUrl, `GRANT CREATE ON SCHEMA public TO ${bundle}`);
    const provider = harness.make({ accepted_creators: [bundle] });
    expect(await codesOf(provider)).toEqual(USUAL);
    await provider.close();
    await runSql(target.superuserUrl, `REVOKE CREATE ON SCHEMA public FROM ${bundle}`);
  });
});

describe('warnings do not keep from minting', () => {
  test('an administrator that is a superuser', async () => {
    const provider = harness.make({ url: target.superuserUrl });
    expect(await codesOf(provider)).toContain('administrator_is_superuser');
    await mint(provider);
    await provider.close();
  });

  test('a clock that is off', async () => {
    const provider = harness.make({ clock: { now: () => new Date(Date.now() - 10_000), offsetMs: () => 0 } });
    expect(await codesOf(provider)).toContain('clock_differs');
    await provider.close();
  });

  test('a role that cannot connect, and one that is a login', async () => {
    await runSql(
      superuser,
      `REVOKE CONNECT ON DATABASE ${target.database} FROM ${bundle}`,
      `ALTER ROLE ${bundle} LOGIN`,
    );
    expect(await codesOf(harness.provider)).toEqual([...USUAL, 'role_cannot_connect', 'role_can_log_in']);
    await runSql(
      superuser,
      `GRANT CONNECT ON DATABASE ${target.database} TO ${bundle}`,
      `ALTER ROLE ${bundle} NOLOGIN`,
    );
  });
});

describe('what only the server itself could be', () => {
  /** A provider whose server says `said` where this one says `says`, of the facts that the check asks for. */
  const saying = async (says: RegExp, said: string) => {
    const { provider, proxy } = await harness.proxied();
    proxy.rewrite(({ from, type, text, sql }) =>
      from === 'backend' && type === 'D' && sql.includes('server_version_num') ? text.replace(says, said) : undefined,
    );
    return provider;
  };

  test.each([
    { code: 'server_too_old', says: /^\d+\t/, said: '150017\t' },
    { code: 'server_read_only', says: /^(\d+\t[^\t]+\t)f/, said: '$1t' },
  ])('$code', async ({ code, says, said }) => {
    const provider = await saying(says, said);
    expect(await codesOf(provider)).toContain(code);
    await expect(mint(provider)).rejects.toMatchObject({ facts: { findings: [code] }, nothingLives: true });
    await provider.close();
  });

  test('connection_not_encrypted, unless it stays on this machine', async () => {
    const provider = harness.make({ url: target.url.replace('127.0.0.1', '0.0.0.0') });
    expect(await codesOf(provider)).toEqual([...USUAL, 'connection_not_encrypted']);
    await provider.close();
  });

  test('password_not_asked: a server that trusts an address', async () => {
    const [hba] = await harness.look<{ file: string }>("SELECT current_setting('hba_file') AS file");
    const file = hba?.file ?? '';
    const before = await readFile(file, 'utf8');
    await writeFile(file, 'host all all 127.0.0.1/32 trust\n');
    await harness.look('SELECT pg_reload_conf()');
    const provider = harness.make();
    await untilTrue(async () => (await codesOf(provider)).includes('password_not_asked'));
    await expect(mint(provider)).rejects.toMatchObject({ facts: { findings: ['password_not_asked'] } });
    await writeFile(file, before);
    await harness.look('SELECT pg_reload_conf()');
    await untilTrue(async () => (await codesOf(provider)).every((code) => USUAL.includes(code)));
    await provider.close();
  });
});

async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

test('a superuser’s provider keeps every promise too', async () => {
  const provider = harness.make({ url: target.superuserUrl });
  const { credential, handle } = await mint(provider, { roles: [target.readonly] });
  const login = credential.reveal();
  const role = String(login['username']);
  const record = { mint: ids.mint(), grant: ids.grant(), endsAt: new Date(), request: {} };
  const found = (await provider.names?.(forever))?.find((mint) => role.endsWith(mint));
  if (!found) throw new Error('the mint is not listed');
  const client = await harness.login(login);
  expect(await provider.end({ ...record, mint: found }, handle, 'revocation', forever)).toEqual({ kind: 'ended' });
  await expect(client.query('SELECT 1')).rejects.toThrow();
  expect(await provider.cleanup?.({ ...record, mint: found }, forever)).toEqual({ kind: 'done' });
  expect(await harness.traces(found)).toEqual([]);
  await provider.close();
});

test('odd names are names, and nothing else', async () => {
  const odd = `${target.readonly} "x"'; -- é\\`;
  await runSql(
    target.url,
    `CREATE ROLE ${pg.escapeIdentifier(odd)} NOLOGIN`,
    `GRANT CONNECT ON DATABASE ${target.database} TO ${pg.escapeIdentifier(odd)}`,
    `GRANT SELECT ON orders TO ${pg.escapeIdentifier(odd)}`,
  );
  const section = { roles: [odd, target.readonly] };
  expect(await codesOf(harness.provider, section)).toEqual(USUAL);
  const { credential } = await mint(harness.provider, section);
  expect(await harness.use(credential.reveal())).toBe('works');
  await runSql(target.url, `DROP OWNED BY ${pg.escapeIdentifier(odd)}`).catch(() => undefined);
});

test('mints of another Writ on the same server are not listed', async () => {
  const other = `${target.administrator}_other`;
  await runSql(superuser, `CREATE ROLE ${other} LOGIN CREATEROLE PASSWORD 'x' IN ROLE ${target.readonly}`);
  await runSql(superuser, `GRANT ${target.readonly} TO ${other} WITH ADMIN TRUE`);
  const neighbour = harness.make({ url: urlFor(target.url, { user: other, password: 'x' }) });
  const { credential } = await mint(neighbour, { roles: [target.readonly] });
  const role = String(credential.reveal()['username']);
  expect((await neighbour.names?.(forever))?.some((mint) => role.endsWith(mint))).toBe(true);
  expect((await harness.provider.names?.(forever))?.some((mint) => role.endsWith(mint))).toBe(false);
  await neighbour.close();
});
