import { randomBytes } from 'node:crypto';
import { ProviderError } from '../../src/domain/errors.ts';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { aws } from '../../src/providers/aws/index.ts';
import { sourceIdentity } from '../../src/providers/aws/names.ts';
import { AwsRequest } from '../../src/providers/aws/plan.ts';
import type { MintRequest, Provider } from '../../src/providers/provider.ts';
import { ACCOUNT, awsProfile, MONTH, type Members } from './aws-harness.ts';

/** What is planned, without any AWS: configuration, sections, the request to the letter, and every limit. */
const NOW = new Date('2026-11-25T12:00:00.250Z');
const ids = makeIds(randomBytes, () => NOW.getTime());
const forever = new AbortController().signal;

function provider(config: JsonObject = {}): Provider {
  const parsed = aws.config.parse({ region: 'eu-west-1', ...config });
  return aws.create('aws-main', parsed, {
    clock: { now: () => NOW, offsetMs: () => 0 },
    issuer: 'https://writ.example',
    introspectingAudiences: new Set(),
    reservedAudiences: new Set(),
    signer: { sign: () => Promise.reject(new Error('nothing is signed')) },
    readFile: () => Promise.reject(new Error('no file is read')),
  });
}
const direct = provider({ scoped: 'off' });
const scoped = provider({ scoped: 'on' });
afterAll(() => Promise.all([direct.close(), scoped.close()]));

const asked = (lifeSeconds = 600, more: Partial<MintRequest> = {}): MintRequest => ({
  mint: ids.mint(),
  grant: ids.grant(),
  task: ids.task(),
  subject: { trust: 'mesh', id: 'spiffe://prod.example/agent/invoices' },
  now: NOW,
  endsAt: new Date(NOW.getTime() + lifeSeconds * 1000),
  ...more,
});
const planned = (section: Members = {}, request = asked(), by = direct, parameters = { month: MONTH }) => {
  const plan = by.plan(awsProfile(section), parameters, request);
  return { plan, request: AwsRequest.parse(plan.request) };
};
const policyOf = (text: string) => (JSON.parse(text) as { Statement: JsonObject[] }).Statement;
const thrown = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

const DENY_STS = { Effect: 'Deny', Action: 'sts:*', Resource: '*' };
const denyAfter = (end: string) => ({
  Effect: 'Deny',
  Action: '*',
  Resource: '*',
  Condition: { DateGreaterThanEquals: { 'aws:CurrentTime': end } },
});
const ALLOWED = { Effect: 'Allow', Action: ['s3:GetObject'], Resource: `arn:aws:s3:::inv/${MONTH}/*` };
const ALLOW_ALL = { Effect: 'Allow', Action: '*', Resource: '*' };
const CHILDREN = { Effect: 'Allow', Action: 'sts:GetScopedCredentials', Resource: '*' };

describe('the plan of a session', () => {
  test('is the request to the letter', () => {
    const request = asked();
    const { plan } = planned({ external_id: 'writ/prod' }, request);
    const name = `writ-${request.grant}-${request.mint}`;
    const identity = sourceIdentity(request.subject);
    expect(plan).toEqual({
      mint: request.mint,
      endsAt: new Date('2026-11-25T12:10:00.000Z'),
      revocability: { mode: 'expiry_only' },
      request: {
        mode: 'session',
        region: 'eu-west-1',
        account: ACCOUNT,
        role_arn: `arn:aws:iam::${ACCOUNT}:role/invoice-agents`,
        session_name: name,
        source_identity: identity,
        ends_at: '2026-11-25T12:10:00.000Z',
        grant_ends_at: '2026-11-25T12:10:00.000Z',
        assume_role: {
          RoleArn: `arn:aws:iam::${ACCOUNT}:role/invoice-agents`,
          RoleSessionName: name,
          DurationSeconds: 900,
          Policy: JSON.stringify({
            Version: '2012-10-17',
            Statement: [ALLOWED, DENY_STS, denyAfter('2026-11-25T12:10:00Z')],
          }),
          Tags: [
            { Key: 'writ:grant', Value: request.grant },
            { Key: 'writ:task', Value: request.task },
            { Key: 'team', Value: 'payments' },
          ],
          TransitiveTagKeys: ['writ:grant', 'writ:task'],
          ExternalId: 'writ/prod',
          SourceIdentity: identity,
        },
      },
    });
    expect(name.length).toBeLessThanOrEqual(64);
  });

  test.each([
    [30, 900],
    [839, 900],
    [1_800, 1_860],
    [3_590, 3_600],
    [3_600, 3_600],
  ])('a life of %d s asks for a session of %d s', (life, seconds) => {
    expect(planned({}, asked(life)).request.assume_role.DurationSeconds).toBe(seconds);
  });

  test.each([
    ['a policy', {}, [ALLOWED]],
    ['nothing: something must be allowed, and the role limits it', { session_policy: undefined }, [ALLOW_ALL]],
    [
      'managed policies: allowing more would undo them',
      { session_policy: undefined, policy_arns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'] },
      [],
    ],
    ['both', { policy_arns: [`arn:aws:iam::${ACCOUNT}:policy/invoices`] }, [ALLOWED]],
  ])('narrowed by %s', (_name, section: Members, allowed) => {
    const { request } = planned(section);
    expect(policyOf(request.assume_role.Policy)).toEqual([...allowed, DENY_STS, denyAfter('2026-11-25T12:10:00Z')]);
    const { policy_arns: arns } = section as { policy_arns?: string[] };
    expect(request.assume_role.PolicyArns).toEqual(arns?.map((arn) => ({ arn })));
  });

  test('STS is left to a session that may call it, and an identity out of one that has none', () => {
    const { request } = planned({ allow_sts: true, source_identity: false });
    expect(policyOf(request.assume_role.Policy)).not.toContainEqual(DENY_STS);
    expect(request.source_identity).toBeUndefined();
    expect(request.assume_role).not.toHaveProperty('SourceIdentity');
    expect(request.assume_role).not.toHaveProperty('ExternalId');
  });

  test('a statement need not stand in a list', () => {
    const policy = { Version: '2012-10-17', Statement: ALLOWED };
    expect(policyOf(planned({ session_policy: policy }).request.assume_role.Policy)[0]).toEqual(ALLOWED);
  });

  test('the region is the profile’s, where it has one', () => {
    expect(planned({ region: 'eu-central-1' }).request.region).toBe('eu-central-1');
  });
});

describe('the plan of a child', () => {
  test('is its parent’s request, and its own', () => {
    const request = asked(3_000);
    const { plan, request: made } = planned({}, request, scoped);
    expect(plan).toMatchObject({ short: true, revocability: { mode: 'bounded', withinSeconds: 300 } });
    expect(plan.endsAt).toEqual(new Date('2026-11-25T12:05:00Z'));
    expect(made).toMatchObject({
      mode: 'child',
      ends_at: '2026-11-25T12:05:00.000Z',
      grant_ends_at: '2026-11-25T12:50:00.000Z',
    });
    // Its parent stays here, and must be able to make it.
    expect(policyOf(made.assume_role.Policy)).toEqual([ALLOWED, CHILDREN, denyAfter('2026-11-25T12:50:00Z')]);
    expect(made.assume_role.DurationSeconds).toBe(3_060);
    expect(policyOf(made.child?.Policy ?? '')).toEqual([ALLOW_ALL, DENY_STS, denyAfter('2026-11-25T12:05:00Z')]);
    expect(made.child?.DurationSeconds).toBe(302);
    expect(made.child?.ScopedSessionDescription).toBe(`writ ${request.mint} of ${request.grant} for ${request.task}`);
  });

  test('the last one ends with its grant', () => {
    const { plan } = planned({}, asked(100), scoped);
    expect(plan.endsAt).toEqual(new Date('2026-11-25T12:01:40Z'));
    expect(plan.short).toBe(true);
  });

  test('its grant may outlast any session', () => {
    const { request } = planned({}, asked(86_400 * 7), scoped);
    expect(request.assume_role.DurationSeconds).toBe(3_600);
    expect(scoped.maxTtlSeconds).toBe(2_592_000);
  });

  test.each([
    ['auto at AWS', {}, true],
    ['auto in another partition', { region: 'us-gov-west-1' }, false],
    ['auto at another endpoint', { endpoint: 'http://127.0.0.1:4566' }, false],
    ['on at another endpoint', { endpoint: 'http://127.0.0.1:4566', scoped: 'on' }, true],
    ['off', { scoped: 'off' }, false],
  ])('%s: %j, before anything was found out', async (_name, config: JsonObject, short) => {
    const other = provider(config);
    expect(planned({}, asked(), other).plan.short).toBe(short ? true : undefined);
    await other.close();
  });
});

describe('who it is for', () => {
  test.each([
    ['spiffe://prod.example/agent/invoices', /^prod\.example-agent-invoices\.[0-9a-f]{16}$/],
    ['repo:acme/shop:ref:refs/heads/main', /^repo-acme-shop-ref-refs-heads-main\.[0-9a-f]{16}$/],
    ['agent:é*?$"}', /^agent-\.[0-9a-f]{16}$/],
    ['aws:x', /^aws-x\.[0-9a-f]{16}$/],
    ['', /^\.[0-9a-f]{16}$/],
    [`spiffe://prod.example/${'x'.repeat(2_000)}/last`, /^x+-last\.[0-9a-f]{16}$/],
  ])('%s', (id, want) => {
    const name = sourceIdentity({ trust: 'mesh', id });
    expect(name).toMatch(want);
    expect(name).toMatch(/^[\w+=,.@-]{2,64}$/);
  });

  test('differs by the whole id and by who vouches for it', () => {
    const long = 'spiffe://prod.example/' + 'x'.repeat(100);
    const names = [
      { trust: 'mesh', id: `a/${long}` },
      { trust: 'mesh', id: `b/${long}` },
      { trust: 'corp', id: `a/${long}` },
      { trust: 'mes', id: `ha/${long}` },
    ].map(sourceIdentity);
    expect(new Set(names).size).toBe(4);
  });
});

describe('limits, before anything is asked', () => {
  const limit = (facts: JsonObject) => ({
    code: 'provider_limit',
    nothingLives: true,
    facts: { profile: 'invoices-read', ...facts },
  });
  const wide = (chars: number) => ({
    session_policy: {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${'x'.repeat(chars)}{{parameters.month}}` },
      ],
    },
  });
  const SHORTEST = planned(wide(0), asked(), direct, { month: '' }).request.assume_role.Policy.length;

  test('a policy has 2,048 characters, and not one more', () => {
    const fits = planned(wide(2_048 - SHORTEST - 4), asked(), direct, { month: 'abcd' });
    expect(fits.request.assume_role.Policy).toHaveLength(2_048);
    const error = thrown(() => planned(wide(2_048 - SHORTEST - 4), asked(), direct, { month: 'abcde' }));
    expect(error).toMatchObject(limit({ finding: 'policy_too_long', limit: 2_048, actual: 2_049 }));
  });

  test('what a value is written as counts', () => {
    const error = thrown(() => planned(wide(2_048 - SHORTEST - 4), asked(), direct, { month: '****' }));
    expect(error).toMatchObject(limit({ finding: 'policy_too_long', actual: 2_048 + 3 * 4 }));
  });

  test('a policy has no characters beyond those that STS takes', () => {
    expect(thrown(() => planned({}, asked(), direct, { month: '２０２６' }))).toMatchObject(
      limit({ finding: 'policy_characters' }),
    );
  });

  test.each([
    ['an hour, where the profile says nothing', {}, 3_601, 3_600],
    ['what the profile says of its role', { max_session: '2h' }, 7_201, 7_200],
  ])('a session lasts %s', (_name, section, life, most) => {
    const error = thrown(() => planned(section, asked(life)));
    expect(error).toMatchObject(limit({ finding: 'session_too_long', limit: most, actual: life }));
    expect(planned(section, asked(most)).request.assume_role.DurationSeconds).toBe(most);
  });

  test('an hour, where the broker is a session itself', async () => {
    const web_identity = { role_arn: `arn:aws:iam::${ACCOUNT}:role/writ`, token_file: 'token' };
    const chained = provider({ scoped: 'off', credentials: { web_identity } });
    const error = thrown(() => planned({ max_session: '12h' }, asked(3_601), chained));
    expect(error).toMatchObject(limit({ finding: 'session_too_long', limit: 3_600 }));
    expect([chained.maxTtlSeconds, direct.maxTtlSeconds]).toEqual([3_600, 43_200]);
    await chained.close();
  });

  test.each([['*'], ['a"b'], ['x'.repeat(257)], ['a\nb']])('a tag is no %j', (month) => {
    const section = { session_policy: undefined, tags: { month: '{{parameters.month}}' } };
    const error = thrown(() => planned(section, asked(), direct, { month }));
    expect(error).toMatchObject(limit({ finding: 'tag_value', tag: 'month' }));
  });

  test.each([
    ['an end that has passed', asked(0), {}, 'end_has_passed'],
    ['what is left of a second', asked(0.7), {}, 'end_has_passed'],
    ['a parameter that nobody gave', asked(), { other: 'x' }, 'parameter_missing'],
  ])('%s is refused', (_name, request, parameters, finding) => {
    const error = thrown(() => direct.plan(awsProfile(), parameters, request));
    expect(error).toMatchObject({ code: 'provider_refused', nothingLives: true, facts: { finding } });
  });
});

describe('a plan that comes back', () => {
  const changes: [string, (request: AwsRequest) => JsonObject][] = [
    ['of another mint', () => ({ session_name: `writ-${ids.grant()}-${ids.mint()}` })],
    [
      'of another mint in every place',
      ({ assume_role }) => {
        const name = `writ-${ids.grant()}-${ids.mint()}`;
        return { session_name: name, assume_role: { ...assume_role, RoleSessionName: name } };
      },
    ],
    [
      'for another role',
      ({ assume_role }) => ({ assume_role: { ...assume_role, RoleArn: 'arn:aws:iam::1:role/admin' } }),
    ],
    ['for another name', ({ assume_role }) => ({ assume_role: { ...assume_role, RoleSessionName: 'x' } })],
    ['until another end', () => ({ ends_at: '2027-01-01T00:00:00.000Z' })],
    ['of a child without one', () => ({ mode: 'child' })],
    ['with a member more', () => ({ admin: true })],
    ['of another form', () => ({ assume_role: {} })],
  ];
  test.each(changes)('%s is refused before anything is asked', async (_name, change) => {
    const { plan, request } = planned();
    const error = await direct
      .mint({ ...plan, request: { ...plan.request, ...change(request) } }, forever)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({ nothingLives: true, facts: { finding: 'plan_of_another_set_up' } });
  });
});

describe('configuration', () => {
  const boundary = {
    boundary_arn: `arn:aws:iam::${ACCOUNT}:policy/b`,
    revoker_role_arn: `arn:aws:iam::${ACCOUNT}:role/r`,
  };
  const other = {
    boundary_arn: 'arn:aws:iam::210987654321:policy/b',
    revoker_role_arn: 'arn:aws:iam::210987654321:role/r',
  };
  test.each([
    ['a region', {}],
    ['an endpoint', { endpoint: 'http://127.0.0.1:4566' }],
    ['keys', { credentials: { access_key_id: 'AKIAIOSFODNN7EXAMPLE', secret_access_key: 'x' } }],
    ['a web identity', { credentials: { web_identity: { role_arn: boundary.revoker_role_arn, token_file: 'token' } } }],
    ['shorter children', { scoped: 'on', child_ttl: '60s' }],
    ['a boundary', { revocation: boundary }],
    ['several', { revocation: { ...boundary, accounts: { '210987654321': other }, propagation: '30s', fence: true } }],
    ['accounts alone', { revocation: { accounts: { '210987654321': other } } }],
  ])('%s', (_name, config) => {
    expect(aws.config.safeParse({ region: 'eu-west-1', ...config }).error).toBeUndefined();
  });

  test.each([
    ['no region', { region: undefined }, ['region']],
    ['a zone', { region: 'eu-west-1a' }, ['region']],
    ['an endpoint that is none', { endpoint: 'localhost:4566' }, ['endpoint']],
    ['another scheme', { endpoint: 'ftp://x' }, ['endpoint']],
    ['half of keys', { credentials: { access_key_id: 'AKIAIOSFODNN7EXAMPLE' } }, ['credentials']],
    ['nothing to log in with', { credentials: {} }, ['credentials']],
    [
      'two ways to log in',
      {
        credentials: {
          access_key_id: 'AKIAIOSFODNN7EXAMPLE',
          secret_access_key: 'x',
          web_identity: { role_arn: boundary.revoker_role_arn, token_file: 'token' },
        },
      },
      ['credentials'],
    ],
    ['children of a minute less', { child_ttl: '59s' }, ['child_ttl']],
    ['children of an hour', { child_ttl: '1h' }, ['child_ttl']],
    ['scoped: true', { scoped: true }, ['scoped']],
    ['a boundary without a revoker', { revocation: { boundary_arn: boundary.boundary_arn } }, ['revocation']],
    ['no boundary at all', { revocation: {} }, ['revocation']],
    [
      'a role as boundary',
      { revocation: { ...boundary, boundary_arn: boundary.revoker_role_arn } },
      ['revocation', 'boundary_arn'],
    ],
    [
      'a revoker elsewhere',
      { revocation: { ...boundary, revoker_role_arn: other.revoker_role_arn } },
      ['revocation', 'revoker_role_arn'],
    ],
    [
      'an account of another number',
      { revocation: { accounts: { [ACCOUNT]: other } } },
      ['revocation', 'accounts', ACCOUNT, 'boundary_arn'],
    ],
    [
      'an account twice',
      { revocation: { ...boundary, accounts: { [ACCOUNT]: boundary } } },
      ['revocation', 'accounts', ACCOUNT],
    ],
    ['an account that is none', { revocation: { accounts: { prod: boundary } } }, ['revocation', 'accounts', 'prod']],
    ['a member that is not known', { retries: 3 }, []],
  ])('%s is refused', (_name, config, path) => {
    const { error } = aws.config.safeParse({ region: 'eu-west-1', ...config });
    expect(error?.issues[0]?.path).toEqual(path);
  });

  test('keys are secrets', () => {
    const credentials = {
      access_key_id: 'AKIAIOSFODNN7EXAMPLE',
      secret_access_key: 'very-secret',
      session_token: 'also-secret',
    };
    expect(JSON.stringify(aws.config.parse({ region: 'eu-west-1', credentials }))).not.toContain('secret"');
  });
});

describe('a section', () => {
  const parameters = { month: { pattern: '.*', optional: false } };
  const policy = (statement: JsonObject, more: JsonObject = {}) => ({
    session_policy: { Version: '2012-10-17', Statement: [statement], ...more },
  });
  const read = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::inv/*' };

  test.each([
    ['no role', { role_arn: undefined }],
    ['a user', { role_arn: `arn:aws:iam::${ACCOUNT}:user/x` }],
    ['a role by a parameter', { role_arn: `arn:aws:iam::${ACCOUNT}:role/{{parameters.month}}` }],
    ['a policy by a parameter', { policy_arns: ['arn:aws:iam::{{parameters.month}}:policy/x'] }],
    ['an external id by a parameter', { external_id: '{{parameters.month}}' }],
    ['an external id of one letter', { external_id: 'x' }],
    ['eleven policies', { policy_arns: Array.from({ length: 11 }, (_, n) => `arn:aws:iam::${ACCOUNT}:policy/p${n}`) }],
    ['a policy as text', { session_policy: '{"Version":"2012-10-17"}' }],
    ['a session of a minute', { max_session: '1m' }],
    ['a session of a day', { max_session: '1d' }],
    ['a member that is not known', { duration: '1h' }],
  ])('with %s is refused', (_name, change) => {
    expect(aws.section.safeParse({ ...awsProfile().section, ...change }).success).toBe(false);
  });

  test.each([
    ['the sample', {}, []],
    [
      'a parameter in a condition',
      policy({ ...read, Condition: { StringEquals: { 's3:prefix': ['{{parameters.month}}'] } } }),
      [],
    ],
    [
      'variables of IAM',
      policy({ ...read, Resource: 'arn:aws:s3:::inv/${aws:PrincipalTag/team}/{{parameters.month}}' }),
      [],
    ],
    ['a policy of AWS', { policy_arns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'] }, []],
    ['no version', { session_policy: { Statement: [read] } }, [['session_policy', 'Version']]],
    [
      'the old version, which has no variables',
      policy(read, { Version: '2008-10-17' }),
      [['session_policy', 'Version']],
    ],
    ['no statement', { session_policy: { Version: '2012-10-17', Statement: [] } }, [['session_policy', 'Statement']]],
    ['something else', policy(read, { Statements: [] }), [['session_policy', 'Statements']]],
    ['an effect by a parameter', policy({ ...read, Effect: '{{parameters.month}}' }), [['Effect'], ['Effect']]],
    ['an action by a parameter', policy({ ...read, Action: 's3:{{parameters.month}}' }), [['Action']]],
    ['actions by a parameter', policy({ ...read, Action: ['s3:GetObject', '{{parameters.month}}'] }), [['Action']]],
    [
      'all resources but a parameter',
      policy({ Effect: 'Allow', Action: '*', NotResource: '{{parameters.month}}' }),
      [['NotResource']],
    ],
    ['a principal', policy({ ...read, Principal: '*' }), [['Principal']]],
    ['no resource', policy({ Effect: 'Allow', Action: '*' }), [[]]],
    ['two sorts of actions', policy({ ...read, NotAction: 's3:PutObject' }), [[]]],
    [
      'a parameter as a variable',
      policy({ ...read, Resource: 'arn:aws:s3:::${{{parameters.month}}}' }),
      [['Resource']],
    ],
    ['a parameter after a dollar', policy({ ...read, Resource: 'arn:aws:s3:::${{parameters.month}}' }), [['Resource']]],
    [
      'a parameter in a variable',
      policy({ ...read, Resource: 'arn:aws:s3:::${aws:PrincipalTag/{{parameters.month}}}' }),
      [['Resource']],
    ],
    ['a statement that is none', { session_policy: { Version: '2012-10-17', Statement: ['x'] } }, [[]]],
    ['another account’s policy', { policy_arns: ['arn:aws:iam::210987654321:policy/x'] }, [['policy_arns', 0]]],
    [
      'a policy twice',
      { policy_arns: ['arn:aws:iam::aws:policy/A', 'arn:aws:iam::aws:policy/A'] },
      [['policy_arns', 1]],
    ],
    ['a tag of Writ', { tags: { 'Writ:grant': 'x' } }, [['tags', 'Writ:grant']]],
    ['a tag of AWS', { tags: { 'aws:x': 'x' } }, [['tags', 'aws:x']]],
    ['a tag twice', { tags: { team: 'x', Team: 'y' } }, [['tags', 'Team']]],
    ['a tag that is none', { tags: { team: '*' } }, [['tags', 'team']]],
    [
      'more tags than there is room for',
      { tags: Object.fromEntries(Array.from({ length: 49 }, (_, n) => [`t${n}`, ''])) },
      [['tags']],
    ],
    [
      'a policy that no value fits',
      policy({ ...read, Resource: `arn:aws:s3:::${'x'.repeat(2_000)}` }),
      [['session_policy']],
    ],
  ])('%s', (_name, section: JsonObject, want) => {
    const profile = { ...awsProfile(), section: { ...awsProfile().section, ...section }, parameters };
    const problems = aws.sectionProblems?.(profile).map(({ path }) => path) ?? [];
    const inStatement = (path: readonly (string | number)[]) =>
      path[0] === 'aws' && path[1] === 'session_policy' && path[2] === 'Statement' && path[3] === 0
        ? path.slice(4)
        : path.slice(1);
    expect(problems.map(inStatement)).toEqual(want);
  });
});
