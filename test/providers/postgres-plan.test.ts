import type { GrantId, MintId, TaskId } from '../../src/domain/ids.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { PostgresConfig, PostgresSection } from '../../src/providers/postgres/config.ts';
import { credentialFor } from '../../src/providers/postgres/credential.ts';
import { postgres } from '../../src/providers/postgres/index.ts';
import { planRole, readRequest } from '../../src/providers/postgres/plan.ts';
import { scramVerifier } from '../../src/providers/postgres/scram.ts';

const profile: Profile = {
  name: 'orders-read',
  provider: 'orders-db',
  owner: 'orders',
  environment: 'production',
  effect: 'read',
  ttl: { default: 900, max: 3600, min: 60 },
  parameters: {},
  section: { roles: ['zebra', 'ant'], connection_limit: 2 },
};
const asked = {
  mint: 'm1m84mxxx4tt0w2d2kpdga' as MintId,
  grant: 'g0123456789ab' as GrantId,
  task: 't1m84mxxx4tt0w2d2kpdga' as TaskId,
  subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/a' },
  now: new Date('2026-11-23T12:00:00.000Z'),
  endsAt: new Date('2026-11-23T12:15:00.000Z'),
};

test('a plan says everything that the role will be', () => {
  expect(planRole('orders', profile, {}, asked)).toEqual({
    mint: asked.mint,
    endsAt: asked.endsAt,
    revocability: { mode: 'immediate' },
    request: {
      database: 'orders',
      role: 'writ_m1m84mxxx4tt0w2d2kpdga',
      attributes: {
        login: true,
        superuser: false,
        createdb: false,
        createrole: false,
        replication: false,
        bypassrls: false,
      },
      connection_limit: 2,
      valid_until: '2026-11-23T12:15:00.000Z',
      memberships: [
        { role: 'ant', admin: false, inherit: true, set: false },
        { role: 'zebra', admin: false, inherit: true, set: false },
      ],
    },
  });
});

test('a plan whose end has passed is refused', () => {
  expect(() => planRole('orders', profile, {}, { ...asked, endsAt: asked.now })).toThrow(
    expect.objectContaining({ code: 'provider_refused', nothingLives: true }) as Error,
  );
});

describe('claims', () => {
  const section = { ...profile.section, claims: { month: '{{parameters.month}}', of: 'c/{{parameters.customer}}' } };
  const narrow: Profile = { ...profile, section };
  const filled = (customer: string) =>
    planRole('orders', narrow, { month: '2026-10', customer }, asked).request['claims'];

  test('hold the parameters, as they were given', () => {
    expect(filled('7')).toEqual({ month: '2026-10', of: 'c/7' });
    expect(filled(`'); DROP ROLE x; -- "{{parameters.month}}`)).toEqual({
      month: '2026-10',
      of: `c/'); DROP ROLE x; -- "{{parameters.month}}`,
    });
  });

  test.each<{ name: string; parameters: Readonly<Record<string, string>>; finding: string }>([
    { name: 'NUL', parameters: { month: '2026-10', customer: 'a\0b' }, finding: 'parameter_no_text' },
    { name: 'half a pair', parameters: { month: '2026-10', customer: '\ud800' }, finding: 'parameter_no_text' },
    { name: 'a value that is missing', parameters: { month: '2026-10' }, finding: 'parameter_missing' },
    { name: 'a name of every object', parameters: { month: 'x', constructor: 'y' }, finding: 'parameter_missing' },
    { name: 'too much', parameters: { month: 'é'.repeat(2_100), customer: '7' }, finding: 'claims_too_large' },
  ])('are refused: $name', ({ parameters, finding }) => {
    expect(() => planRole('orders', narrow, parameters, asked)).toThrow(
      expect.objectContaining({ code: 'provider_refused', nothingLives: true, facts: { finding } }) as Error,
    );
  });

  test.each(['a\0', '\udc00{{parameters.month}}'])('are refused for what stands beside a parameter: %j', (month) => {
    const odd: Profile = { ...profile, section: { ...profile.section, claims: { month } } };
    const facts = { finding: 'parameter_no_text' };
    expect(() => planRole('orders', odd, { month: '2026-10' }, asked)).toThrow(
      expect.objectContaining({ code: 'provider_refused', nothingLives: true, facts }) as Error,
    );
  });

  test.each([
    { name: 'none', claims: {} },
    { name: 'a name with a dot', claims: { 'a.b': 'x' } },
    { name: 'a name of the prototype', claims: JSON.parse('{"__proto__": "x"}') as object },
    { name: 'no text', claims: { month: 10 } },
    { name: 'too many', claims: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`c${n}`, 'x'])) },
  ])('a section is refused: $name', ({ claims }) => {
    expect(PostgresSection.safeParse({ roles: ['a'], claims }).success).toBe(false);
  });
});

const plan = planRole('orders', profile, {}, asked);
test.each([
  { name: 'another database', change: { database: 'billing' } },
  { name: 'another role', change: { role: 'postgres' } },
  { name: 'the role of another mint', change: { role: 'writ_m1m84mxxx4tt0w2d2kpdgb' } },
  { name: 'another end than the plan’s', change: { valid_until: '2027-11-23T12:15:00.000Z' } },
  { name: 'more attributes', change: { attributes: { login: true, superuser: true } } },
  { name: 'a wider membership', change: { memberships: [{ role: 'ant', admin: true, inherit: true, set: true }] } },
  { name: 'no membership', change: { memberships: [] } },
  { name: 'no limit', change: { connection_limit: -1 } },
  { name: 'claims that are no text', change: { claims: { month: 10 } } },
  { name: 'a member that is unknown', change: { sql: 'DROP DATABASE orders' } },
])('a stored plan with $name is refused', ({ change }) => {
  expect(readRequest(plan, 'orders')).toEqual(plan.request);
  expect(() => readRequest({ ...plan, request: { ...plan.request, ...change } }, 'orders')).toThrow(
    expect.objectContaining({ code: 'provider_refused', nothingLives: true }) as Error,
  );
});

describe('configuration', () => {
  test.each([
    { name: 'the least', config: { url: 'postgres://writ:pw@db.internal/orders' } },
    {
      name: 'all',
      config: {
        url: 'postgresql://writ@[::1]:5433/orders?sslmode=verify-full',
        accepted_databases: ['postgres'],
        accepted_creators: ['etl'],
        pool_size: 2,
      },
    },
  ])('$name', ({ config }) => {
    expect(PostgresConfig.safeParse(config)).toMatchObject({ success: true });
  });

  test.each([
    { name: 'no URL', config: {} },
    { name: 'not a URL', config: { url: 'db.internal hunter2' } },
    { name: 'another scheme', config: { url: 'mysql://writ:hunter2@db/orders' } },
    { name: 'no host', config: { url: 'postgres:///orders?password=hunter2' } },
    { name: 'no user', config: { url: 'postgres://db/orders' } },
    { name: 'no database', config: { url: 'postgres://writ:hunter2@db/' } },
    { name: 'options', config: { url: 'postgres://writ:hunter2@db/orders?options=-csearch_path%3Dpublic' } },
    { name: 'another host', config: { url: 'postgres://writ:hunter2@db/orders?host=evil' } },
    { name: 'no connections', config: { url: 'postgres://writ:hunter2@db/orders', pool_size: 0 } },
    { name: 'an unknown member', config: { url: 'postgres://writ:hunter2@db/orders', role: 'x' } },
  ])('refused: $name, without repeating the password', ({ config }) => {
    const parsed = PostgresConfig.safeParse(config);
    expect(parsed.success).toBe(false);
    expect(JSON.stringify(parsed.error)).not.toContain('hunter2');
  });

  test('a section gets a limit of sessions', () => {
    expect(PostgresSection.parse({ roles: ['readonly'] })).toEqual({ roles: ['readonly'], connection_limit: 5 });
  });

  test.each([
    { name: 'no roles', section: { roles: [] } },
    { name: 'too many roles', section: { roles: Array.from({ length: 11 }, (_, index) => `r${index}`) } },
    { name: 'a role twice', section: { roles: ['a', 'a'] } },
    { name: 'a name too long', section: { roles: ['é'.repeat(32)] } },
    { name: 'NUL', section: { roles: ['a\0b'] } },
    { name: 'no sessions', section: { roles: ['a'], connection_limit: 0 } },
    { name: 'no limit', section: { roles: ['a'], connection_limit: -1 } },
    { name: 'an unknown member', section: { roles: ['a'], statement_timeout: '5s' } },
  ])('a section is refused: $name', ({ section }) => {
    expect(PostgresSection.safeParse(section).success).toBe(false);
  });

  test.each([
    { role: 'team_{{parameters.team}}', problems: 1 },
    { role: 'writ_m1m84mxxx4tt0w2d2kpdga', problems: 1 },
    { role: 'PUBLIC', problems: 1 },
    { role: 'public', problems: 1 },
    { role: 'Odd "name"; DROP', problems: 0 },
  ])('role $role', ({ role, problems }) => {
    const found =
      postgres.sectionProblems?.({ ...profile, section: { roles: ['ok', role], connection_limit: 1 } }) ?? [];
    expect(found.map(({ path }) => path)).toEqual(problems ? [['postgres', 'roles', 1]] : []);
  });
});

test.each([
  { address: { host: 'db', port: 5432, database: 'orders' }, url: 'postgresql://writ_m:pw@db:5432/orders' },
  {
    address: { host: '::1', port: 6000, database: 'a/b?c', sslmode: 'verify-full' },
    url: 'postgresql://writ_m:pw@[::1]:6000/a%2Fb%3Fc?sslmode=verify-full',
  },
])('the credential’s URL: $url', ({ address, url }) => {
  expect(credentialFor(address, 'writ_m', 'pw')).toMatchObject({
    type: 'postgres',
    database: address.database,
    host: address.host,
    url,
  });
});

test('the verifier is that of RFC 7677 §3', async () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  expect(await scramVerifier('pencil', salt)).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  );
});
