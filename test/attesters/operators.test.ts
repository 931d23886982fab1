import { operatorTrustSchema } from '../../src/attesters/operators.ts';
import { startIssuer, type TestIssuer } from '../support/issuer.ts';
import { AUDIENCE, OPERATORS_AUDIENCE, makeHarness } from './harness.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());

const roles = {
  security: { groups: ['sec-oncall', 'sec-lead'] },
  platform: { groups: ['platform'], subjects: ['root-1'] },
  auditor: { subjects: ['auditor-1'] },
};
const entry = (members: object = {}) => ({ issuer: issuer.url, audience: OPERATORS_AUDIENCE, roles, ...members });

const authenticate = (members: object, claims: object) => {
  const harness = makeHarness([], [entry(members)]);
  const token = issuer.mint({ aud: OPERATORS_AUDIENCE, sub: 'ada', ...claims }, { now: harness.now });
  return harness.operators.authenticate(token, harness.now);
};

test('an operator is an issuer and a subject; the display decides nothing', async () => {
  expect(await authenticate({ display: '{name} <{email}>' }, { name: 'Ada L', email: 'ada@x.example' })).toEqual({
    issuer: issuer.url,
    subject: 'ada',
    display: 'Ada L <ada@x.example>',
    roles: [],
  });
  expect(await authenticate({ display: '{email}' }, {})).toMatchObject({ display: 'ada', roles: [] });
});

test.each<[string, object, object, readonly string[]]>([
  ['a group', {}, { groups: ['sec-oncall'] }, ['security']],
  ['two groups of one role', {}, { groups: ['sec-lead', 'sec-oncall'] }, ['security']],
  ['groups of two roles', {}, { groups: ['platform', 'sec-lead'] }, ['platform', 'security']],
  ['a subject', {}, { sub: 'auditor-1' }, ['auditor']],
  ['a subject and a group', {}, { sub: 'auditor-1', groups: ['platform'] }, ['platform', 'auditor']],
  ['a subject of one role in the group of another', {}, { sub: 'root-1', groups: [] }, ['platform']],
  ['nothing', {}, {}, []],
  ['a group of another spelling', {}, { groups: ['Sec-Oncall', 'sec-oncall '] }, []],
  ['a group named like a role', {}, { groups: ['security', 'auditor'] }, []],
  ['a subject named like a group', {}, { sub: 'sec-oncall' }, []],
  ['roles that the token claims', {}, { roles: ['security'], role: 'security' }, []],
  ['an e-mail that is a subject of a role', {}, { email: 'auditor-1' }, []],
  [
    'another claim for groups',
    { groups: '/realm_access/roles' },
    { realm_access: { roles: ['platform'] } },
    ['platform'],
  ],
])('roles by %s', async (_what, members, claims, want) => {
  expect((await authenticate(members, claims)).roles).toEqual(want);
});

describe('limits of a role', () => {
  const oncall = { groups: ['sec-oncall'] };
  const leads = { groups: ['leads'], owners: ['payments'], environments: ['staging', 'production'] };
  const reaches = async (security: object, groups: readonly string[]) =>
    (await authenticate({ roles: { security } }, { groups })).reaches;

  test.each<[string, object, readonly string[], object | undefined]>([
    ['none', oncall, ['sec-oncall'], undefined],
    [
      'of everybody who has it',
      leads,
      ['leads'],
      { security: [{ owners: ['payments'], environments: ['staging', 'production'] }] },
    ],
    [
      'of one group among others',
      [oncall, { groups: ['leads'], owners: ['a'] }],
      ['leads'],
      { security: [{ owners: ['a'] }] },
    ],
    ['of one group, for somebody who is in another too', [oncall, leads], ['leads', 'sec-oncall'], undefined],
    [
      'of two groups: as far as both together',
      [
        { groups: ['a'], owners: ['a'] },
        { groups: ['b'], environments: ['b'] },
      ],
      ['a', 'b'],
      { security: [{ owners: ['a'] }, { environments: ['b'] }] },
    ],
    ['of a role that somebody does not have', leads, ['others'], undefined],
  ])('%s', async (_what, security, groups, want) => {
    expect(await reaches(security, groups)).toEqual(want);
  });

  test.each([
    { ...oncall, owners: [] },
    [],
    [{ owners: ['a'] }],
    { ...oncall, owner: ['a'] },
    [{ ...oncall, environments: 'staging' }],
  ])('what is no limit: %j', (security) => {
    expect(operatorTrustSchema.safeParse(entry({ roles: { security } })).success).toBe(false);
  });
});

test('the audience of workloads is not theirs, nor the other way round', async () => {
  const harness = makeHarness([{ kind: 'oidc', config: { issuer: issuer.url } }], [entry()]);
  const operator = issuer.mint({ aud: OPERATORS_AUDIENCE }, { now: harness.now });
  const workload = issuer.mint({ aud: AUDIENCE }, { now: harness.now });
  expect(await harness.operatorOutcome(operator)).toBe('someone');
  expect(await harness.outcome(workload)).toBe('someone');
  expect(await harness.operatorOutcome(workload)).toBe('evidence_invalid');
  expect(await harness.outcome(operator)).toBe('evidence_invalid');
});

test('two entries of one issuer with two audiences', async () => {
  const harness = makeHarness(
    [],
    [entry(), entry({ audience: 'second', roles: { approver: { subjects: ['someone'] } } })],
  );
  const token = issuer.mint({ aud: 'second' }, { now: harness.now });
  expect(await harness.operators.authenticate(token, harness.now)).toMatchObject({ roles: ['approver'] });
  expect(harness.operators.status()).toMatchObject([
    { kind: 'operators', name: issuer.url, healthy: true, keysAgeSeconds: 0 },
    { kind: 'operators', name: issuer.url, healthy: true, keysAgeSeconds: 0 },
  ]);
});

test('twelve hours of age, unless the entry says otherwise', async () => {
  for (const [max_age, seconds] of [[undefined, 43_200] as const, ['30m', 1_800] as const]) {
    const harness = makeHarness([], [entry(max_age === undefined ? {} : { max_age })]);
    const exp = Math.floor(harness.now.getTime() / 1000) + 100_000;
    const token = issuer.mint({ aud: OPERATORS_AUDIENCE, exp }, { now: harness.now });
    expect(await harness.operatorOutcome(token)).toBe('someone');
    harness.advance(seconds - 1);
    expect(await harness.operatorOutcome(token)).toBe('someone');
    harness.advance(1);
    expect(await harness.operatorOutcome(token)).toBe('evidence_expired');
  }
});

test('nobody is an operator where no entry is', async () => {
  const harness = makeHarness([], []);
  expect(await harness.operatorOutcome(issuer.mint({ aud: OPERATORS_AUDIENCE }))).toBe('evidence_untrusted');
});

test.each<[string, object, RegExp]>([
  ['no audience', { audience: undefined }, /^audience: /],
  ['no roles', { roles: undefined }, /^roles: /],
  ['an unknown role', { roles: { admin: { groups: ['x'] } } }, /^roles/],
  ['a role for nobody', { roles: { security: {} } }, /^roles.security: names neither groups nor subjects/],
  ['a role by e-mail', { roles: { security: { groups: ['x'], emails: ['x'] } } }, /emails/],
  ['no duration', { max_age: '1x' }, /^max_age: must be a duration/],
  ['HMAC', { algorithms: ['HS256'] }, /^algorithms.0: must be one of/],
  ['a broken display', { display: '{email' }, /^display: has a brace/],
  ['an unknown key', { audiences: [] }, /audiences/],
])('configuration: %s', (_what, members, message) => {
  const { error } = operatorTrustSchema.safeParse({ ...entry(), ...members });
  expect(error?.issues.map(({ path, message: text }) => `${path.join('.')}: ${text}`)).toEqual([
    expect.stringMatching(message),
  ]);
});
