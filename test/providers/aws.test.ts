import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { makeIds } from '../../src/domain/ids.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import type { MintRequest, Provider } from '../../src/providers/provider.ts';
import { allow, document, trusting } from '../support/aws/setup.ts';
import { failure } from '../support/failure.ts';
import {
  ACCOUNT,
  awsProfile,
  awsWorld,
  BROKER,
  BROKER_POLICY,
  INVOICE,
  keysOf,
  MONTH,
  NEXT_MONTH,
  ROLE_POLICY,
  type AwsWorld,
  type Members,
} from './aws-harness.ts';

/** One question throughout: may this credential do that, now? */
const forever = new AbortController().signal;
let world: AwsWorld;
const providers: Provider[] = [];
beforeAll(async () => {
  world = await awsWorld();
});
afterEach(() => world.fake.faults.clear());
afterAll(async () => {
  await Promise.all(providers.map((provider) => provider.close()));
  await world.fake.close();
});

const make = (...options: Parameters<AwsWorld['provider']>): Provider => {
  const made = world.provider(...options);
  providers.push(made);
  return made;
};
const ids = makeIds(randomBytes, () => world.fake.now().getTime());
const asked = (lifeSeconds = 600, more: Partial<MintRequest> = {}): MintRequest => ({
  mint: ids.mint(),
  grant: ids.grant(),
  task: ids.task(),
  subject: { trust: 'mesh', id: 'spiffe://prod.example/agent/invoices' },
  now: world.now(),
  endsAt: new Date(world.now().getTime() + lifeSeconds * 1000),
  ...more,
});
interface Wanted {
  readonly section?: Members;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly request?: MintRequest;
}
const mint = async (by: Provider, { section = {}, parameters = { month: MONTH }, request = asked() }: Wanted = {}) => {
  const plan = by.plan(awsProfile(section), parameters, request);
  const minted = await by.mint(plan, forever);
  const record = { mint: request.mint, grant: request.grant, endsAt: plan.endsAt, request: plan.request };
  return { request, plan, minted, record, credential: minted.credential.reveal() };
};

test.each(['on', 'off'] as const)(
  'children %s: no session of a mint is opened before its intent is on record, that of a parent neither',
  async (scoped) => {
    const provider = make({ config: { scoped } });
    const request = asked();
    const plan = provider.plan(awsProfile(), { month: MONTH }, request);
    const sessions = () => world.fake.sessions.filter(({ name }) => name.endsWith(`-${request.mint}`)).length;
    let commit = () => {};
    const recorded = new Promise<void>((resolve) => (commit = resolve));
    const minting = provider.mintWhen?.(recorded, plan, forever);
    await mint(provider); // what this was given, the other could have been
    expect(sessions()).toBe(0);
    commit();
    expect(world.can((await minting)?.credential.reveal() ?? {})).toBe('allowed');
    expect(sessions()).toBe(scoped === 'on' ? 2 : 1);
  },
);
/** Those that were refused are not counted: a signature of another time, after the clock was moved. */
const callsOf = (action: string, since: number) =>
  world.fake.calls.slice(since).filter((call) => call.action === action && call.status === 200).length;

describe.each([
  ['a session', 'off'],
  ['a child of a session', 'on'],
])('%s', (_name, scoped) => {
  const by = () => make({ config: { scoped } });

  test('may do what the profile says, and nothing beside it', async () => {
    world.fake.role(`other-${scoped}`, {
      trust: trusting({ AWS: `arn:aws:iam::${ACCOUNT}:root` }),
      policies: [ROLE_POLICY],
    });
    const { credential } = await mint(by());
    const may = (action: string, resource: string) => world.can(credential, action, resource);
    expect(may('s3:GetObject', INVOICE)).toBe('allowed');
    expect(may('s3:GetObject', NEXT_MONTH)).toBe('denied');
    expect(may('s3:PutObject', INVOICE)).toBe('denied');
    expect(may('sts:AssumeRole', `arn:aws:iam::${ACCOUNT}:role/other-${scoped}`)).toBe('denied');
    expect(may('sts:GetWebIdentityToken', '*')).toBe('denied');
    expect(may('sts:GetScopedCredentials', '*')).toBe('denied');
    expect(may('sts:GetCallerIdentity', '*')).toBe('allowed');
  });

  test('may call STS where the profile says so', async () => {
    const section = {
      allow_sts: true,
      session_policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] },
    };
    const { credential } = await mint(by(), { section });
    expect(world.can(credential, 'sts:GetWebIdentityToken', '*')).toBe('allowed');
    // A child of a child would be the same once more, and nobody's on record.
    expect(world.can(credential, 'sts:GetScopedCredentials', '*')).toBe(scoped === 'on' ? 'denied' : 'allowed');
  });

  test('works until its end, to the second, and not after it', async () => {
    const { credential, plan } = await mint(by());
    world.fake.advance(plan.endsAt.getTime() - world.fake.now().getTime() - 900);
    expect(world.can(credential)).toBe('allowed');
    world.fake.advance(900);
    expect(world.can(credential)).not.toBe('allowed');
  });

  test('says the end that counts', async () => {
    const { credential, plan, minted } = await mint(by());
    expect(credential['expiration']).toBe(plan.endsAt.toISOString());
    expect(minted.expiresAt).toEqual(plan.endsAt);
    expect(credential['region']).toBe('eu-west-1');
  });

  test('carries who it is for and what it is of, for CloudTrail and for whoever denies it', async () => {
    const { credential, request, minted } = await mint(by());
    const { accessKeyId } = keysOf(credential);
    const session = world.fake.sessions.find((each) => each.accessKeyId === accessKeyId);
    expect(session).toMatchObject({
      name: `writ-${request.grant}-${request.mint}`,
      tags: { 'writ:grant': request.grant, 'writ:task': request.task, team: 'payments' },
      transitiveTagKeys: ['writ:grant', 'writ:task'],
      depth: scoped === 'on' ? 1 : 0,
    });
    expect(session?.sourceIdentity).toMatch(/^prod\.example-agent-invoices\.[0-9a-f]{16}$/);
    expect(minted.handle).toEqual({
      session_name: session?.name,
      assumed_role_id: session?.id,
      session_arn: session?.arn,
      access_key_id: accessKeyId,
      answered_at: expect.stringMatching(/^2\d{3}-.*Z$/) as string,
      session_token_utilization: expect.any(Number) as number,
      session_token_size: expect.any(Number) as number,
      ...(scoped === 'off' && { packed_policy_size: expect.any(Number) as number }),
    });
  });

  describe('whatever a caller writes into a parameter', () => {
    const TEAM = 'arn:aws:s3:::inv/payments/4711.pdf';
    test.each([
      '*',
      '2026-1?',
      '????-??',
      '${aws:PrincipalTag/team}',
      '${aws:username}',
      '$',
      '${*}',
      '{*}',
      '$${*}',
      '"',
      '"],"Resource":["*',
      '\\u002a',
      '../2026-11',
      '2026-11/../2026-12',
      '',
      ' ',
      '{{parameters.month}}',
    ])('%j is itself', async (month) => {
      const { credential } = await mint(by(), { parameters: { month } });
      const own = `arn:aws:s3:::inv/${month}/4711.pdf`;
      expect(world.can(credential, 's3:GetObject', own)).toBe('allowed');
      for (const other of [INVOICE, NEXT_MONTH, TEAM])
        expect(world.can(credential, 's3:GetObject', other)).toBe('denied');
    });

    test.each(['*', '?-', '${aws:PrincipalTag/writ:grant}', '${*}'])('%j is itself in a condition', async (month) => {
      const condition = { StringLike: { 'aws:PrincipalTag/team': '{{parameters.month}}' } };
      const statement = {
        Effect: 'Allow',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::inv/*',
        Condition: condition,
      };
      const section = { session_policy: { Version: '2012-10-17', Statement: [statement] } };
      const { credential } = await mint(by(), { section, parameters: { month } });
      expect(world.can(credential)).toBe('denied');
    });

    test('IAM’s own variables of the template stay', async () => {
      const statement = {
        Effect: 'Allow',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::inv/${aws:PrincipalTag/team}/{{parameters.month}}.pdf',
      };
      const section = { session_policy: { Version: '2012-10-17', Statement: [statement] } };
      const { credential } = await mint(by(), { section, parameters: { month: '4711' } });
      expect(world.can(credential, 's3:GetObject', TEAM)).toBe('allowed');
      expect(world.can(credential)).toBe('denied');
    });
  });

  test('without a policy of the profile’s it may do what its role may', async () => {
    const { credential } = await mint(by(), { section: { session_policy: undefined } });
    expect(world.can(credential, 's3:GetObject', NEXT_MONTH)).toBe('allowed');
    expect(world.can(credential, 's3:GetObject', 'arn:aws:s3:::other/1')).toBe('denied');
    expect(world.can(credential, 'sts:GetWebIdentityToken', '*')).toBe('denied');
  });

  test('managed policies narrow it by themselves', async () => {
    const arn = world.fake.managedPolicy(
      `november-${scoped}`,
      document(allow('s3:GetObject', 'arn:aws:s3:::inv/2026-11/*')),
    );
    const { credential } = await mint(by(), { section: { session_policy: undefined, policy_arns: [arn] } });
    expect(world.can(credential)).toBe('allowed');
    expect(world.can(credential, 's3:GetObject', NEXT_MONTH)).toBe('denied');
  });

  test('an external id is what the role’s trust policy asks for', async () => {
    const condition = { StringEquals: { 'sts:ExternalId': 'writ/prod' } };
    const role = world.fake.role(`external-${scoped}`, {
      trust: trusting({ AWS: BROKER }, condition),
      policies: [ROLE_POLICY],
    });
    const { credential } = await mint(by(), { section: { role_arn: role, external_id: 'writ/prod' } });
    expect(world.can(credential)).toBe('allowed');
    const error = await failure(mint(by(), { section: { role_arn: role } }));
    expect(error).toMatchObject({
      code: 'provider_refused',
      nothingLives: true,
      facts: { finding: 'access_denied', aws: 'AccessDenied' },
    });
  });
});

describe('the session that children are made of', () => {
  test('is asked for once for a grant, and never handed out', async () => {
    const by = make({ config: { scoped: 'on' } });
    const since = world.fake.calls.length;
    const first = await mint(by, { request: asked(3_000) });
    const { grant, task, endsAt } = first.request;
    const next = await mint(by, { request: asked(0, { grant, task, endsAt }) });
    expect(callsOf('AssumeRole', since)).toBe(1);
    expect(callsOf('GetScopedCredentials', since)).toBe(2);
    expect([first, next].map(({ credential }) => world.can(credential))).toEqual(['allowed', 'allowed']);
    const parent = world.fake.sessions.find(({ name, depth }) => name.endsWith(first.request.mint) && depth === 0);
    expect(parent).toBeDefined();
    const written = JSON.stringify([first.credential, first.minted.handle, next.credential, next.minted.handle]);
    expect(written).not.toContain(parent?.accessKeyId);
    expect(next.minted.handle['session_name']).toBe(first.minted.handle['session_name']);
  });

  const again = async (by: Provider, first: MintRequest, change: Wanted = {}) => {
    const since = world.fake.calls.length;
    const { grant, task, endsAt } = first;
    const next = await mint(by, { request: asked(0, { grant, task, endsAt }), ...change });
    expect(world.can(next.credential)).toBe('allowed');
    return callsOf('AssumeRole', since);
  };

  test.each([
    ['on another replica, or after a restart', () => undefined, true],
    ['on the one that has it', (first: Provider) => first, false],
  ])('is asked for %s', async (_name, which: (first: Provider) => Provider | undefined, wanted) => {
    const by = make({ config: { scoped: 'on' } });
    const { request } = await mint(by, { request: asked(3_000) });
    expect(await again(which(by) ?? make({ config: { scoped: 'on' } }), request)).toBe(wanted ? 1 : 0);
  });

  test('another is asked for where the words are others: a rule that changed, a grant that lasts longer', async () => {
    const by = make({ config: { scoped: 'on' } });
    const { request } = await mint(by, { request: asked(3_000) });
    expect(await again(by, request, { section: { tags: { team: 'orders' } } })).toBe(1);
    const later = { ...request, endsAt: new Date(request.endsAt.getTime() + 60_000) };
    expect(await again(by, later)).toBe(1);
    expect(await again(by, later)).toBe(0);
  });

  test('another is asked for when it has too little left, and by AWS when it is over sooner than it said', async () => {
    const by = make({ config: { scoped: 'on' } });
    const { request } = await mint(by, { request: asked(86_400) });
    world.fake.advance(3_400_000);
    const before = world.fake.calls.length;
    expect(await again(by, request)).toBe(1);
    // Known beforehand: nothing is asked for that would be refused.
    const codes = world.fake.calls.slice(before).map(({ code }) => code);
    expect(codes).not.toContain('InsufficientSessionLifetime');
    // Three times: where clocks are so far apart the SDK takes every refusal for one of the time, and asks again.
    world.fake.faults.fail('GetScopedCredentials', { status: 403, code: 'ExpiredToken' }, 3);
    expect(await again(by, request)).toBe(1);
    // By other names, of which nobody knows whether AWS has them for that, too.
    for (const code of ['InsufficientSessionLifetime', 'ValidationError', 'AccessDenied', 'Teapot']) {
      world.fake.faults.fail('GetScopedCredentials', { status: 400, code }, 3);
      expect([code, await again(by, request)]).toEqual([code, 1]);
      world.fake.faults.clear();
    }
    expect(await again(by, request)).toBe(0);
  });

  test('that another was asked for does not make certain what an attempt with the first may have left', async () => {
    const by = make({ config: { scoped: 'on' } });
    const { request } = await mint(by, { request: asked(3_000) });
    world.fake.faults.fail('GetScopedCredentials', { status: 500, code: 'InternalFailure' }, 1);
    world.fake.faults.fail('GetScopedCredentials', { status: 400, code: 'InsufficientSessionLifetime' }, 3);
    world.fake.faults.fail('AssumeRole', { status: 403, code: 'AccessDenied' });
    const error = await failure(again(by, request));
    expect(error).toMatchObject({ code: 'provider_refused', nothingLives: false, facts: { finding: 'access_denied' } });
  });

  test.each([
    ['too little for that', 312, 15, 1],
    ['enough', 350, 25, 0],
  ])('an intent that takes long to commit finds one that has %s', async (_name, left, seconds, sessions) => {
    const by = make({ config: { scoped: 'on' } });
    const { request } = await mint(by, { request: asked(86_400) });
    world.fake.advance((3_600 - left) * 1000);
    const other = make({ config: { scoped: 'off' } });
    const { grant, task, endsAt } = request;
    const plan = by.plan(awsProfile(), { month: MONTH }, asked(0, { grant, task, endsAt }));
    let commit = () => {};
    const minting = by.mintWhen?.(new Promise<void>((resolve) => (commit = resolve)), plan, forever);
    await mint(other); // by then it has looked for one
    const since = world.fake.calls.length;
    world.fake.advance(seconds * 1000);
    commit();
    expect(world.can((await minting)?.credential.reveal() ?? {})).toBe('allowed');
    expect(world.fake.calls.slice(since).map(({ code }) => code)).not.toContain('InsufficientSessionLifetime');
    expect(callsOf('AssumeRole', since)).toBe(sessions);
  });

  test('a child that an endpoint gives for less than was asked says so, and is followed by the next', async () => {
    const by = make({ config: { scoped: 'on' } });
    const shorter = new Date(world.now().getTime() + 100_000);
    world.fake.faults.lie = (action, result) => {
      const given = result['Credentials'] as Record<string, unknown>;
      return action === 'GetScopedCredentials' ? { ...result, Credentials: { ...given, Expiration: shorter } } : result;
    };
    const { minted, credential, request } = await mint(by, { request: asked(3_000) });
    expect([minted.expiresAt, credential['expiration']]).toEqual([shorter, shorter.toISOString()]);
    world.fake.faults.clear();
    expect(await again(by, request)).toBe(0);
  });

  test('is forgotten with its grant, and not with one child', async () => {
    const by = make({ config: { scoped: 'on' } });
    const first = await mint(by, { request: asked(3_000) });
    const end = (why: 'expiry' | 'revocation') => by.end(first.record, first.minted.handle, why, forever);
    expect(await end('expiry')).toEqual({ kind: 'pending', until: first.plan.endsAt });
    expect(await again(by, first.request)).toBe(0);
    expect(await end('revocation')).toEqual({ kind: 'pending', until: first.plan.endsAt });
    expect(await again(by, first.request)).toBe(1);
  });

  test('a child that ended before its grant was ended by the revocation; the last one ended by itself', async () => {
    const by = make({ config: { scoped: 'on' } });
    const first = await mint(by, { request: asked(3_000) });
    const last = await mint(by, { request: asked(200) });
    const end = ({ record, minted }: typeof first, why: 'expiry' | 'revocation') =>
      by.end(record, minted.handle, why, forever);
    world.pass(first.plan.endsAt);
    expect(await end(first, 'revocation')).toEqual({ kind: 'ended' });
    expect(await end(last, 'revocation')).toEqual({ kind: 'not_revocable', until: last.plan.endsAt });
    expect(await end(last, 'expiry')).toEqual({ kind: 'ended' });
  });

  test('where STS refuses the child nothing lives, and the session is not kept', async () => {
    const role = world.fake.role('childless', {
      trust: trusting({ AWS: BROKER }),
      policies: [document(allow('s3:GetObject', 'arn:aws:s3:::inv/*'))],
    });
    const by = make({ config: { scoped: 'on' } });
    const request = asked();
    const error = await failure(mint(by, { section: { role_arn: role }, request }));
    expect(error).toMatchObject({ code: 'provider_refused', nothingLives: true, facts: { finding: 'access_denied' } });
    expect(await again(by, request)).toBe(1);
  });
});

describe('what AWS answers', () => {
  const cases: [string, { status: number; code: string }, string, JsonObject, boolean][] = [
    [
      'no right',
      { status: 403, code: 'AccessDenied' },
      'provider_refused',
      { finding: 'access_denied', aws: 'AccessDenied' },
      true,
    ],
    [
      'an old login',
      { status: 403, code: 'ExpiredToken' },
      'provider_refused',
      { finding: 'broker_credentials', aws: 'ExpiredToken' },
      true,
    ],
    [
      'keys that are gone',
      { status: 403, code: 'InvalidClientTokenId' },
      'provider_refused',
      { finding: 'broker_credentials', aws: 'InvalidClientTokenId' },
      true,
    ],
    [
      'a forged request',
      { status: 403, code: 'SignatureDoesNotMatch' },
      'provider_refused',
      { finding: 'broker_credentials', aws: 'SignatureDoesNotMatch' },
      true,
    ],
    [
      'a region that is off',
      { status: 403, code: 'RegionDisabledException' },
      'provider_refused',
      { finding: 'region_disabled', aws: 'RegionDisabledException' },
      true,
    ],
    [
      'a token that is full',
      { status: 400, code: 'PackedPolicyTooLarge' },
      'provider_limit',
      { finding: 'session_token_full', aws: 'PackedPolicyTooLargeException' },
      true,
    ],
    [
      'a policy that is none',
      { status: 400, code: 'MalformedPolicyDocument' },
      'provider_refused',
      { finding: 'policy_malformed', aws: 'MalformedPolicyDocumentException' },
      true,
    ],
    [
      'a request that is wrong',
      { status: 400, code: 'ValidationError' },
      'provider_refused',
      { finding: 'invalid_request', aws: 'ValidationError' },
      true,
    ],
    ['something new', { status: 418, code: 'Teapot' }, 'provider_refused', { finding: 'refused', aws: 'Teapot' }, true],
    [
      'a name that is a sentence',
      { status: 400, code: 'No way: AKIA' },
      'provider_refused',
      { finding: 'refused', aws: 'unknown' },
      true,
    ],
    ['too much at once', { status: 400, code: 'Throttling' }, 'provider_throttled', { aws: 'Throttling' }, true],
    ['the same in other words', { status: 429, code: 'SlowItDown' }, 'provider_throttled', { aws: 'SlowItDown' }, true],
    [
      'a failure inside',
      { status: 500, code: 'InternalFailure' },
      'provider_unreachable',
      { aws: 'InternalFailure' },
      false,
    ],
    [
      'a call that whoever stands before it does not know',
      { status: 501, code: 'NotImplemented' },
      'provider_unreachable',
      { aws: 'NotImplemented' },
      false,
    ],
    [
      'no service',
      { status: 503, code: 'ServiceUnavailable' },
      'provider_unreachable',
      { aws: 'ServiceUnavailable' },
      false,
    ],
  ];
  test.each(cases)('%s', async (_name, error, code, facts, nothingLives) => {
    world.fake.faults.fail('AssumeRole', error);
    const thrown = await failure(mint(make({ config: { scoped: 'off' } })));
    expect({ code: thrown.code, facts: thrown.facts, nothingLives: thrown.nothingLives }).toEqual({
      code,
      facts,
      nothingLives,
    });
  });

  test('a time that is none: an end that is too late is found by our own', async () => {
    const by = make({ config: { scoped: 'off' } });
    await mint(by); // after which it has AWS's time
    world.fake.faults.date = 'some time';
    expect(world.can((await mint(by)).credential)).toBe('allowed');
    world.fake.faults.lie = (_action, result) => {
      const given = result['Credentials'] as Record<string, unknown>;
      return { ...result, Credentials: { ...given, Expiration: new Date(world.now().getTime() + 43_200_000) } };
    };
    const facts = { finding: 'answer_differs', what: 'expiration' };
    expect(await failure(mint(by))).toMatchObject({ code: 'provider_answer_wrong', facts });
  });

  test('a call that was throttled is made again, three times in all', async () => {
    const by = make({ config: { scoped: 'off' } });
    await mint(by); // after which it has AWS's time
    world.fake.faults.throttle('AssumeRole', 2);
    const { credential } = await mint(by);
    expect(world.can(credential)).toBe('allowed');
    const since = world.fake.calls.length;
    world.fake.faults.throttle('AssumeRole', 3);
    expect(await failure(mint(by))).toMatchObject({ code: 'provider_throttled', nothingLives: true });
    expect(world.fake.calls.slice(since)).toHaveLength(3);
  });

  test('nothing is certain after an attempt that may have done something, whatever the last one says', async () => {
    world.fake.faults.fail('AssumeRole', { status: 500, code: 'InternalFailure' }, 1);
    world.fake.faults.fail('AssumeRole', { status: 403, code: 'AccessDenied' });
    const error = await failure(mint(make({ config: { scoped: 'off' } })));
    expect(error).toMatchObject({ code: 'provider_refused', nothingLives: false });
  });

  test('no endpoint that has no children is asked for them again', async () => {
    const other = await awsWorld({ scoped: false });
    const by = other.provider({ config: { scoped: 'auto', endpoint: other.fake.url } });
    providers.push(by);
    expect(by.plan(awsProfile(), { month: MONTH }, asked()).short).toBeUndefined();
    await by.check(forever);
    expect(by.plan(awsProfile(), { month: MONTH }, asked()).short).toBeUndefined();
    await other.fake.close();
  });

  test('what has children is found out by the check', async () => {
    const by = make({ config: { scoped: 'auto' } });
    expect(by.plan(awsProfile(), { month: MONTH }, asked()).short).toBeUndefined();
    await by.check(forever);
    expect(by.plan(awsProfile(), { month: MONTH }, asked()).short).toBe(true);
  });
});

describe('the broker’s own login', () => {
  const environment = (values: Readonly<Record<string, string>>) => {
    const before = { ...process.env };
    Object.assign(process.env, values);
    return () => {
      process.env = before;
    };
  };

  test('by default is where the SDK looks', async () => {
    const restore = environment({
      AWS_ACCESS_KEY_ID: world.broker.accessKeyId,
      AWS_SECRET_ACCESS_KEY: world.broker.secretAccessKey,
    });
    const by = make({ config: { scoped: 'off', credentials: undefined } });
    const { credential } = await mint(by);
    restore();
    expect(world.can(credential)).toBe('allowed');
  });

  test('nowhere: nothing was asked', async () => {
    const restore = environment({
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
    });
    const since = world.fake.calls.length;
    const error = await failure(mint(make({ config: { scoped: 'off', credentials: undefined } })));
    restore();
    expect(error).toMatchObject({ code: 'provider_refused', nothingLives: true, facts: { finding: 'no_credentials' } });
    expect(world.fake.calls.slice(since)).toEqual([]);
  });

  describe('by a web identity, without any key', () => {
    const ISSUER = 'https://issuer.example';
    const web = async () => {
      const other = await awsWorld();
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' };
      const provider = other.fake.oidc(ISSUER, { audiences: ['sts.amazonaws.com'], jwks: () => ({ keys: [jwk] }) });
      const trust = trusting({ Federated: provider }, undefined, ['sts:AssumeRoleWithWebIdentity']);
      const role = other.fake.role('writ', { trust, policies: [BROKER_POLICY] });
      other.fake.role('web-agents', { trust: trusting({ AWS: role }), policies: [ROLE_POLICY] });
      const token = (seconds: number) =>
        new SignJWT({})
          .setProtectedHeader({ alg: 'ES256', kid: 'k' })
          .setIssuer(ISSUER)
          .setSubject('system:serviceaccount:writ:broker')
          .setAudience('sts.amazonaws.com')
          .setIssuedAt(Math.floor(other.fake.now().getTime() / 1000))
          .setExpirationTime(Math.floor(other.fake.now().getTime() / 1000) + seconds)
          .sign(privateKey);
      let file: () => Promise<string> = () => token(600);
      const read: string[] = [];
      const by = other.provider({
        config: { scoped: 'off', credentials: { web_identity: { role_arn: role, token_file: 'token' } } },
        deps: {
          readFile: (path) => {
            read.push(path);
            return file();
          },
        },
      });
      providers.push(by);
      const section = { role_arn: `arn:aws:iam::${ACCOUNT}:role/web-agents` };
      const go = async () => {
        const now = other.now();
        const request = asked(600, { now, endsAt: new Date(now.getTime() + 600_000) });
        const plan = by.plan(awsProfile(section), { month: MONTH }, request);
        return by.mint(plan, forever);
      };
      return { other, by, read, go, use: (next: () => Promise<string>) => (file = next), token };
    };

    test('the file is read anew each time that the session has to be', async () => {
      const { other, read, go } = await web();
      const [first] = await Promise.all([go(), go()]);
      expect(other.can(first.credential.reveal())).toBe('allowed');
      await go();
      expect(read).toEqual(['token']);
      other.fake.advance(56 * 60_000);
      const later = await go();
      expect(other.can(later.credential.reveal())).toBe('allowed');
      expect(read).toEqual(['token', 'token']);
      await other.fake.close();
    });

    test('one that ends soon is used until there is another, and whoever comes does not wait for that', async () => {
      const { other, read, go, use, token } = await web();
      await go();
      other.fake.advance(56 * 60_000);
      use(() => Promise.reject(new Error('ENOENT')));
      for (let n = 0; n < 2; n++) expect(other.can((await go()).credential.reveal())).toBe('allowed');
      expect(read.length).toBeGreaterThan(1);
      other.fake.advance(4 * 60_000);
      expect(await failure(go())).toMatchObject({ facts: { finding: 'no_credentials' } });
      use(() => token(600));
      expect(other.can((await go()).credential.reveal())).toBe('allowed');
      await other.fake.close();
    });

    test.each([
      ['a file that is not there', () => Promise.reject(new Error('ENOENT')), { finding: 'no_credentials' }],
      ['a token that is none', () => Promise.resolve('nonsense'), { finding: 'broker_credentials' }],
    ])('%s', async (_name, file: () => Promise<string>, facts) => {
      const { other, go, use } = await web();
      use(file);
      expect(await failure(go())).toMatchObject({ code: 'provider_refused', nothingLives: true, facts });
      await other.fake.close();
    });
  });

  test('a secret is in no error', async () => {
    world.fake.faults.fail('AssumeRole', { status: 403, code: 'AccessDenied' });
    const error = await failure(mint(make({ config: { scoped: 'off' } })));
    const shown: Json = { ...error.facts, message: error.message };
    expect(JSON.stringify(shown)).not.toContain(world.broker.secretAccessKey);
    expect(JSON.stringify(shown)).not.toContain('arn:');
  });
});
