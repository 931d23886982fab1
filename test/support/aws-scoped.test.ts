import {
  AssumeRoleCommand,
  GetCallerIdentityCommand,
  GetScopedCredentialsCommand,
  GetWebIdentityTokenCommand,
  type GetScopedCredentialsCommandInput,
} from '@aws-sdk/client-sts';
import { startFakeAws, type AwsKeys, type FakeAws } from './aws/index.ts';
import { allow, deny, document, errorName, keysOf, stsClient, trusting } from './aws/setup.ts';

const OPEN = document(allow('*'));
/** Time stands still but for `advance`; STS counts from the whole second. */
const START = new Date('2026-11-25T12:00:00.400Z');
const OBJECT = 'arn:aws:s3:::inv/a';
let aws: FakeAws;
let broker: AwsKeys;
let role: string;
let parent: AwsKeys;

beforeEach(async () => {
  aws = await startFakeAws({ now: () => START });
  broker = aws.user('broker', [OPEN]);
  role = aws.role('agents', { trust: trusting({ AWS: aws.account }), policies: [document(allow(['s3:*', 'sts:*']))] });
  parent = await assume({ DurationSeconds: 900 });
});
afterEach(() => aws.close());

async function assume(input: object): Promise<AwsKeys> {
  const passed = {
    Tags: [{ Key: 'writ:grant', Value: 'g1' }],
    TransitiveTagKeys: ['writ:grant'],
    SourceIdentity: 'agent-7',
  };
  const command = new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'mint-1', ...passed, ...input });
  return keysOf((await stsClient(aws, broker).send(command)).Credentials);
}

const scope = (keys: AwsKeys, input: GetScopedCredentialsCommandInput) =>
  stsClient(aws, keys).send(new GetScopedCredentialsCommand(input));
const child = async (keys: AwsKeys, input: GetScopedCredentialsCommandInput) =>
  keysOf((await scope(keys, input)).Credentials);
const policy = (...statements: object[]) => JSON.stringify(document(...statements));
const can = (keys: AwsKeys, action: string, resource = OBJECT) => aws.can(keys, action, resource);

test('a child is the same session, narrower', async () => {
  const answer = await scope(parent, {
    DurationSeconds: 60,
    Policy: policy(allow('s3:Get*')),
    ScopedSessionDescription: 'one read',
  });
  const [session, narrowed] = aws.sessions;
  expect(answer).toMatchObject({
    SessionInfo: { Arn: session?.arn, ScopedSessionId: session?.id },
    ScopedPoliciesCount: 1,
    SourceIdentity: 'agent-7',
    SessionTokenUtilization: expect.any(Number),
    SessionTokenSize: answer.Credentials?.SessionToken?.length,
  });
  expect(narrowed).toMatchObject({
    id: session?.id,
    arn: session?.arn,
    name: 'mint-1',
    tags: { 'writ:grant': 'g1' },
    transitiveTagKeys: ['writ:grant'],
    sourceIdentity: 'agent-7',
    depth: 1,
    scopes: 1,
    expiration: answer.Credentials?.Expiration,
  });
  const keys = keysOf(answer.Credentials);
  expect([can(keys, 's3:GetObject'), can(keys, 's3:PutObject'), can(parent, 's3:PutObject')]).toEqual([
    'allowed',
    'denied',
    'allowed',
  ]);
  const identity = await stsClient(aws, keys).send(new GetCallerIdentityCommand({}));
  expect(identity.UserId).toBe(session?.id);
});

describe('lives', () => {
  test.each([1, 60, 899])('%i s', async (seconds) => {
    const keys = await child(parent, { DurationSeconds: seconds });
    aws.advance(seconds * 1000 - 401);
    expect(can(keys, 's3:GetObject')).toBe('allowed');
    aws.advance(1);
    expect(can(keys, 's3:GetObject')).toBe('expired');
    expect(await errorName(scope(keys, { DurationSeconds: 1 }))).toBe('ExpiredToken');
    expect(can(parent, 's3:GetObject')).toBe('allowed');
  });

  test('until its parent ends, when nothing is said', async () => {
    aws.advance(100_000);
    const keys = await child(parent, { Policy: policy(allow('*')) });
    const [session, narrowed] = aws.sessions;
    expect(narrowed?.expiration).toEqual(session?.expiration);
    aws.advance(800_000);
    expect([can(keys, 's3:GetObject'), can(parent, 's3:GetObject')]).toEqual(['expired', 'expired']);
  });

  test('never longer than its parent', async () => {
    aws.advance(840_000);
    expect(await errorName(scope(parent, { DurationSeconds: 59 }))).toBeUndefined();
    expect(await errorName(scope(parent, { DurationSeconds: 60 }))).toBe('InsufficientSessionLifetimeException');
    const keys = await child(parent, { DurationSeconds: 30 });
    expect(await errorName(scope(keys, { DurationSeconds: 31 }))).toBe('InsufficientSessionLifetimeException');
  });
});

test.each<{ name: string; input: GetScopedCredentialsCommandInput; want: string }>([
  { name: 'neither policy nor duration', input: {}, want: 'ValidationError' },
  { name: 'only a description', input: { ScopedSessionDescription: 'x' }, want: 'ValidationError' },
  { name: '0 s', input: { DurationSeconds: 0 }, want: 'ValidationError' },
  { name: 'more than 36 hours', input: { DurationSeconds: 129_601 }, want: 'ValidationError' },
  { name: 'a policy of 2,049', input: { Policy: ' '.repeat(2049) }, want: 'ValidationError' },
  { name: 'a policy that is none', input: { Policy: '{"Statement":1}' }, want: 'MalformedPolicyDocumentException' },
  {
    name: 'a description of 257',
    input: { DurationSeconds: 60, ScopedSessionDescription: 'x'.repeat(257) },
    want: 'ValidationError',
  },
  {
    name: 'a token of more than 4,096',
    input: { DurationSeconds: 60, MinimumSessionTokenSize: 4097 },
    want: 'ValidationError',
  },
])('is refused: $name', async ({ input, want }) => {
  expect(await errorName(scope(parent, input))).toBe(want);
  expect(aws.sessions).toHaveLength(1);
});

test('three layers of policies, each of which limits; a fourth is refused, a shorter life is not', async () => {
  const first = await child(parent, { Policy: policy(allow('*'), deny('s3:Put*')) });
  const second = await child(first, { Policy: policy(allow('*'), deny('s3:Get*')) });
  const third = await child(second, { Policy: policy(allow(['s3:*', 'sts:*'])) });
  expect(can(third, 's3:ListBucket')).toBe('allowed');
  expect([can(first, 's3:PutObject'), can(second, 's3:PutObject'), can(third, 's3:PutObject')]).toEqual([
    'denied',
    'denied',
    'denied',
  ]);
  expect([can(first, 's3:GetObject'), can(third, 's3:GetObject')]).toEqual(['allowed', 'denied']);
  expect(await errorName(scope(third, { Policy: policy(allow('*')) }))).toBe('AccessDenied');
  const shorter = await scope(third, { DurationSeconds: 60 });
  expect(shorter.ScopedPoliciesCount).toBe(3);
  expect(aws.sessions.at(-1)).toMatchObject({ depth: 4, scopes: 3 });
});

test('a policy never gives what the parent has not', async () => {
  const keys = await child(parent, { Policy: policy(allow('*')) });
  expect(can(keys, 'ec2:RunInstances', '*')).toBe('denied');
});

test("is not for a user's own keys", async () => {
  expect(await errorName(scope(broker, { DurationSeconds: 60 }))).toBe('InvalidSubjectCredentialsException');
});

test('is an action like any other', async () => {
  const closed = await assume({ Policy: policy(allow('*'), deny('sts:*')) });
  expect(await errorName(scope(closed, { DurationSeconds: 60 }))).toBe('AccessDenied');
  expect(can(closed, 'sts:GetScopedCredentials', '*')).toBe('denied');
});

test('a deny written for the session hits its children', async () => {
  const keys = await child(parent, { DurationSeconds: 60 });
  const id = aws.sessions[0]?.id ?? '';
  aws.setBoundary(
    'agents',
    aws.managedPolicy('deny-list', document(allow('*'), deny('*', '*', { StringEquals: { 'aws:userid': [id] } }))),
  );
  expect([can(parent, 's3:GetObject'), can(keys, 's3:GetObject')]).toEqual(['denied', 'denied']);
  expect(can(await assume({ RoleSessionName: 'mint-2' }), 's3:GetObject')).toBe('allowed');
});

test('a fence of TokenIssueTime does not hold what a parent yields after it', async () => {
  aws.advance(5000);
  const fence = { DateLessThan: { 'aws:TokenIssueTime': aws.now().toISOString() } };
  aws.setBoundary('agents', aws.managedPolicy('fence', document(allow('*'), deny('s3:*', '*', fence))));
  aws.advance(5000);
  const keys = await child(parent, { DurationSeconds: 60 });
  expect([can(parent, 's3:GetObject'), can(keys, 's3:GetObject')]).toEqual(['denied', 'allowed']);
});

test('a server that does not know it says so', async () => {
  const old = await startFakeAws({ scoped: false });
  const keys = old.user('broker', [OPEN]);
  const error: unknown = await stsClient(old, keys)
    .send(new GetScopedCredentialsCommand({ DurationSeconds: 60 }))
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    name: 'InvalidAction',
    $metadata: { httpStatusCode: 400 },
    message: 'Could not find operation GetScopedCredentials for version 2011-06-15',
  });
  await old.close();
});

describe('GetWebIdentityToken', () => {
  const token = (keys: AwsKeys, input: object = {}) =>
    stsClient(aws, keys).send(
      new GetWebIdentityTokenCommand({ Audience: ['https://else.example'], SigningAlgorithm: 'ES384', ...input }),
    );

  test('yields what outlives a deny, until its own end', async () => {
    const { WebIdentityToken: jwt = '', Expiration: end } = await token(parent);
    const claims: unknown = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ sub: role, aud: ['https://else.example'] });
    aws.setBoundary('agents', aws.managedPolicy('nothing', document(deny('*'))));
    expect(can(parent, 's3:GetObject')).toBe('denied');
    expect(aws.webIdentity(jwt)).toBe('valid');
    expect(await errorName(token(parent))).toBe('AccessDenied');
    aws.advance((end?.getTime() ?? 0) - aws.now().getTime());
    expect(aws.webIdentity(jwt)).toBe('expired');
    expect(aws.webIdentity(`${jwt}x`)).toBe('invalid');
  });

  test.each<{ name: string; input: object; want: string | undefined }>([
    { name: 'RS256', input: { SigningAlgorithm: 'RS256' }, want: undefined },
    { name: 'another algorithm', input: { SigningAlgorithm: 'HS256' }, want: 'ValidationError' },
    { name: 'no audience', input: { Audience: [] }, want: 'ValidationError' },
    { name: '59 s', input: { DurationSeconds: 59 }, want: 'ValidationError' },
    { name: 'longer than the session', input: { DurationSeconds: 901 }, want: 'SessionDurationEscalationException' },
  ])('$name: $want', async ({ input, want }) => {
    expect(await errorName(token(parent, input))).toBe(want);
  });

  test('is refused where sts:* is denied', async () => {
    expect(await errorName(token(await assume({ Policy: policy(allow('*'), deny('sts:*')) })))).toBe('AccessDenied');
  });
});
