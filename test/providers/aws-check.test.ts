import { randomBytes } from 'node:crypto';
import { makeIds } from '../../src/domain/ids.ts';
import type { Profile } from '../../src/domain/profile.ts';
import type { Revocability } from '../../src/domain/grant.ts';
import { FINDING_KINDS } from '../../src/providers/aws/findings.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { allow, document, trusting } from '../support/aws/setup.ts';
import {
  ACCOUNT,
  ALLOW_ALL,
  awsProfile,
  awsWorld,
  BROKER,
  memoryRecord,
  MONTH,
  ROLE_POLICY,
  type AwsWorld,
  type Members,
} from './aws-harness.ts';

/** What the check finds, how much it weighs, and what plans promise after it. */
const forever = new AbortController().signal;
const opened: Provider[] = [];
const worlds: AwsWorld[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  await Promise.all(worlds.splice(0).map(({ fake }) => fake.close()));
});

async function set(scoped = false) {
  const world = await awsWorld({ scoped });
  worlds.push(world);
  const ledger = memoryRecord(world.fake.now);
  const ids = makeIds(randomBytes, () => world.fake.now().getTime());
  const make = (options: Parameters<AwsWorld['provider']>[0] = {}): Provider => {
    const settings = {
      config: { scoped: scoped ? 'on' : 'off' },
      revocation: { propagation: '1s' },
      record: ledger.record,
    };
    const made = world.provider({ ...settings, ...options });
    opened.push(made);
    return made;
  };
  const planned = (by: Provider, section: Members = {}) => {
    const now = world.now();
    const names = { mint: ids.mint(), grant: ids.grant(), task: ids.task(), subject: { trust: 'mesh', id: 'a' } };
    return by.plan(awsProfile(section), { month: MONTH }, { ...names, now, endsAt: new Date(now.getTime() + 600_000) });
  };
  const role = (name: string, change: Partial<Parameters<AwsWorld['fake']['role']>[1]> = {}) =>
    world.fake.role(name, {
      trust: trusting({ AWS: BROKER }),
      policies: [ROLE_POLICY],
      boundary: world.boundary,
      ...change,
    });
  return { world, make, planned, role };
}
const codes = async (by: Provider, profiles: readonly Profile[] = [awsProfile()]) => {
  const { findings, healthy } = await by.check(forever, profiles);
  for (const { code, severity, message } of findings) {
    expect(severity).toBe(FINDING_KINDS[code as keyof typeof FINDING_KINDS].severity);
    expect(message).not.toContain('undefined');
  }
  expect(healthy).toBe(findings.every(({ severity }) => severity !== 'error'));
  return findings.map(({ code }) => code);
};
const EXPIRY: Revocability = { mode: 'expiry_only' };
const EVENTUAL: Revocability = { mode: 'eventual', expectedSeconds: 6 };

test('nothing to find: what was expiry_only before anybody had looked is eventual from then on', async () => {
  const { make, planned } = await set();
  const by = make();
  expect(planned(by).revocability).toEqual(EXPIRY);
  expect(await codes(by)).toEqual([]);
  expect(planned(by).revocability).toEqual(EVENTUAL);
});

test('a boundary that is taken away is found, and plans go by it; also when it is back', async () => {
  const { world, make, planned } = await set();
  const by = make();
  await codes(by);
  world.fake.setBoundary('invoice-agents', undefined);
  world.fake.advance(61_000);
  expect(await codes(by)).toEqual(['boundary_not_attached']);
  expect(planned(by).revocability).toEqual(EXPIRY);
  world.fake.setBoundary('invoice-agents', world.boundary);
  world.fake.advance(61_000);
  expect(await codes(by)).toEqual([]);
  expect(planned(by).revocability).toEqual(EVENTUAL);
});

test('another boundary is no boundary', async () => {
  const { world, make, planned, role } = await set();
  const other = world.fake.managedPolicy('other', ALLOW_ALL);
  const section = { role_arn: role('elsewhere', { boundary: other }) };
  const by = make();
  expect(await codes(by, [awsProfile(section)])).toEqual(['boundary_not_attached']);
  expect(planned(by, section).revocability).toEqual(EXPIRY);
});

test.each([
  ['no list at all', { revocation: false }, ['no_boundary']],
  ['a list that nobody keeps', { record: undefined }, ['no_boundary']],
  [
    'a list of another account',
    {
      revocation: {
        boundary_arn: undefined,
        revoker_role_arn: undefined,
        accounts: {
          '210987654321': {
            boundary_arn: 'arn:aws:iam::210987654321:policy/b',
            revoker_role_arn: `arn:aws:iam::210987654321:role/r`,
          },
        },
      },
    },
    ['revoker_refused', 'no_boundary'],
  ],
])('%s: a profile of the account cannot be revoked', async (_name, options, want) => {
  const { make, planned } = await set();
  const by = make(options as never);
  expect(await codes(by)).toEqual(want);
  expect(planned(by).revocability).toEqual(EXPIRY);
});

test.each([
  ['may not look at roles', 'GetRole', ['role_not_readable']],
  ['may not write', 'CreatePolicyVersion', ['revoker_refused']],
  ['may not read', 'GetPolicy', ['revoker_refused']],
  ['may not list', 'ListPolicyVersions', ['revoker_refused']],
])('a revoker that %s', async (_name, action, want) => {
  const { world, make, planned } = await set();
  world.fake.faults.fail(action, { status: 403, code: 'AccessDenied' });
  const by = make();
  const { findings } = await by.check(forever, [awsProfile()]);
  expect(findings.map(({ code }) => code)).toEqual(want);
  expect(findings[0]?.message).toContain('(AccessDenied)');
  expect(planned(by).revocability).toEqual(EXPIRY);
});

test('a revoker that cannot be assumed', async () => {
  const { world, make } = await set();
  const revoker = world.fake.role('nobody', {
    trust: trusting({ AWS: `arn:aws:iam::${ACCOUNT}:user/other` }),
    policies: [],
  });
  expect(await codes(make({ revocation: { revoker_role_arn: revoker } }))).toEqual([
    'revoker_refused',
    'role_not_readable',
  ]);
});

test.each([
  ['is not there', (name: string) => name],
  [
    'trusts somebody else',
    (name: string, role: (name: string, change: object) => string) =>
      role(name, { trust: trusting({ AWS: `arn:aws:iam::${ACCOUNT}:user/other` }) }),
  ],
  [
    'lets no tags be passed',
    (name: string, role: (name: string, change: object) => string) =>
      role(name, { trust: trusting({ AWS: BROKER }, undefined, ['sts:AssumeRole', 'sts:SetSourceIdentity']) }),
  ],
  [
    'lets no identity be passed',
    (name: string, role: (name: string, change: object) => string) =>
      role(name, { trust: trusting({ AWS: BROKER }, undefined, ['sts:AssumeRole', 'sts:TagSession']) }),
  ],
])('a role that %s is an error', async (_name, prepare) => {
  const { make, role } = await set();
  prepare('tried', role);
  const found = await codes(make(), [awsProfile({ role_arn: `arn:aws:iam::${ACCOUNT}:role/tried` })]);
  expect(found.filter((code) => code !== 'role_not_readable')).toEqual(['role_not_assumable']);
});

test('an external id that is missing is an error of its profile alone', async () => {
  const { make, role } = await set();
  const section = {
    role_arn: role('external', { trust: trusting({ AWS: BROKER }, { StringEquals: { 'sts:ExternalId': 'writ' } }) }),
  };
  expect(await codes(make(), [awsProfile({ ...section, external_id: 'writ' })])).toEqual([]);
  expect(await codes(make(), [awsProfile(section)])).toEqual(['role_not_assumable']);
});

test('the session that is asked for to see may do nothing, and is asked for once in a while', async () => {
  const { world, make } = await set();
  const by = make();
  const tries = () => world.fake.sessions.filter(({ name }) => name === 'writ-check');
  await codes(by);
  await codes(by);
  expect(tries()).toHaveLength(1);
  const call = world.fake.calls.find(({ params }) => params['RoleSessionName'] === 'writ-check');
  expect(JSON.parse(call?.params['Policy'] ?? '')).toMatchObject({
    Statement: [{ Effect: 'Allow', Action: 'sts:GetScopedCredentials' }],
  });
  world.fake.advance(601_000);
  await codes(by);
  expect(tries()).toHaveLength(2);
});

describe('lives', () => {
  test('a profile that says more of its role than IAM does', async () => {
    const { make, role } = await set();
    const section = { role_arn: role('long', { maxSessionSeconds: 7_200 }) };
    expect(await codes(make(), [awsProfile({ ...section, max_session: '4h' })])).toEqual(['session_longer_than_role']);
    expect(await codes(make(), [awsProfile({ ...section, max_session: '2h' })])).toEqual([]);
  });

  test.each([
    ['the longest first', ['4h', '1h']],
    ['the longest last', ['1h', '4h']],
  ])('of several profiles of one role the longest counts: %s', async (_name, lengths) => {
    const { make, role } = await set();
    const section = { role_arn: role('shared', { maxSessionSeconds: 7_200 }) };
    const profiles = lengths.map((max_session) => awsProfile({ ...section, max_session }));
    expect(await codes(make(), profiles)).toEqual(['session_longer_than_role']);
  });

  test('a profile whose grants are longer than a session, where sessions are handed out', async () => {
    const [plain, children] = [await set(), await set(true)];
    const profile = awsProfile({}, { ttl: { default: 900, max: 7_200, min: 1 } });
    expect(await codes(plain.make(), [profile])).toEqual(['ttl_longer_than_session']);
    expect(await codes(children.make(), [profile])).toEqual([]);
  });
});

describe('children', () => {
  test('on, at an endpoint that has none', async () => {
    const { make } = await set();
    expect(await codes(make({ config: { scoped: 'on' } }))).toEqual(['scoped_unavailable', 'children_refused']);
  });

  test('not, at an endpoint that says that it has not come to them', async () => {
    const { world, make, planned } = await set(true);
    const by = make({ config: { scoped: 'auto' } });
    expect(await codes(by)).toEqual([]);
    expect(planned(by).short).toBe(true);
    world.fake.faults.fail('GetScopedCredentials', { status: 501, code: 'NotImplemented' });
    world.fake.advance(601_000);
    expect(await codes(by)).toEqual([]);
    expect(planned(by).short).toBeUndefined();
  });

  test('of a role that may have none', async () => {
    const { make, role } = await set(true);
    const section = { role_arn: role('childless', { policies: [document(allow('s3:*'))] }) };
    expect(await codes(make(), [awsProfile(section)])).toEqual(['children_refused']);
  });

  test('need no list', async () => {
    const { make } = await set(true);
    expect(await codes(make({ revocation: false }))).toEqual([]);
  });
});

test.each([
  [-10, ['clock_differs']],
  [-1, []],
  [0, []],
  [1, []],
  [10, ['clock_differs']],
])('AWS %s s off the ledger', async (seconds, want) => {
  const { world, make } = await set();
  const now = () => new Date(world.fake.now().getTime() - seconds * 1000);
  expect(await codes(make({ deps: { clock: { now, offsetMs: () => 0 } } }))).toEqual(want);
});

test.each([
  ['http://sts.example:4566', ['connection_not_encrypted']],
  ['http://[::2]:4566', ['connection_not_encrypted']],
  ['https://sts.example', []],
  ['http://localhost:4566', []],
  ['http://[::1]:4566', []],
])('keys that are answered at %s', async (endpoint, want) => {
  const { make } = await set();
  const found = await make({ config: { endpoint }, revocation: false }).check(AbortSignal.abort());
  expect(found.findings.map(({ code }) => code).filter((code) => code !== 'provider_timeout')).toEqual(want);
});

test('a broker that is a session itself has an hour for each of its own', async () => {
  const { world, make } = await set();
  const by = make();
  expect(by.maxTtlSeconds).toBe(43_200);
  const role = world.fake.role('broker', { trust: trusting({ AWS: BROKER }), policies: [document(allow('sts:*'))] });
  world.fake.role('trusting', { trust: trusting({ AWS: role }), policies: [ROLE_POLICY], boundary: world.boundary });
  const { STSClient, AssumeRoleCommand } = await import('@aws-sdk/client-sts');
  const sts = new STSClient({ endpoint: world.fake.url, region: world.fake.region, credentials: world.broker });
  const { Credentials: keys } = await sts.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'broker' }));
  sts.destroy();
  const credentials = {
    access_key_id: keys?.AccessKeyId ?? '',
    secret_access_key: keys?.SecretAccessKey ?? '',
    session_token: keys?.SessionToken ?? '',
  };
  const chained = make({ config: { scoped: 'off', credentials }, revocation: false });
  expect(await codes(chained, [awsProfile({ role_arn: `arn:aws:iam::${ACCOUNT}:role/trusting` })])).toEqual([
    'no_boundary',
  ]);
  expect(chained.maxTtlSeconds).toBe(3_600);
});
