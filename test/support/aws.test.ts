import { CreatePolicyVersionCommand } from '@aws-sdk/client-iam';
import { AssumeRoleCommand, GetCallerIdentityCommand, GetScopedCredentialsCommand } from '@aws-sdk/client-sts';
import { startFakeAws, type AwsKeys, type FakeAws } from './aws/index.ts';
import { allow, deny, document, iamClient, keysOf, stsClient, trusting } from './aws/setup.ts';

const OBJECT = 'arn:aws:s3:::invoices/2026-11/1';
let aws: FakeAws;
let broker: AwsKeys;
let boundary: string;
let agents: string;

beforeEach(async () => {
  aws = await startFakeAws();
  broker = aws.user('broker', [document(allow('*'))]);
  boundary = aws.managedPolicy('boundary', document(allow('*')));
  const trust = trusting({ AWS: `arn:aws:iam::${aws.account}:root` });
  agents = aws.role('agents', { trust, policies: [document(allow('s3:*'), allow('sts:*'))], boundary });
});
afterEach(() => aws.close());

const assume = (more: object = {}) =>
  stsClient(aws, broker).send(new AssumeRoleCommand({ RoleArn: agents, RoleSessionName: 'mint-1', ...more }));

test('a session works until it is denied in the boundary, or ends', async () => {
  const tags = {
    Tags: [{ Key: 'writ:grant', Value: 'g1' }],
    TransitiveTagKeys: ['writ:grant'],
    SourceIdentity: 'agent-1',
  };
  const parent = await assume({ ...tags, DurationSeconds: 900 });
  expect(parent.AssumedRoleUser?.Arn).toBe('arn:aws:sts::123456789012:assumed-role/agents/mint-1');
  expect(parent.AssumedRoleUser?.AssumedRoleId).toMatch(/^AROA[A-Z2-7]{17}:mint-1$/);
  const keys = keysOf(parent.Credentials);
  expect(aws.can(keys, 's3:GetObject', OBJECT)).toBe('allowed');
  expect(aws.can(keys, 'ec2:RunInstances', '*')).toBe('denied');

  const scoped = await stsClient(aws, keys).send(new GetScopedCredentialsCommand({ DurationSeconds: 60 }));
  const child = keysOf(scoped.Credentials);
  expect(aws.can(child, 's3:GetObject', OBJECT)).toBe('allowed');
  aws.advance(60_000);
  expect(aws.can(child, 's3:GetObject', OBJECT)).toBe('expired');
  expect(aws.can(keys, 's3:GetObject', OBJECT)).toBe('allowed');

  const denied = document(allow('*'), deny('*', '*', { StringEquals: { 'aws:PrincipalTag/writ:grant': ['g1'] } }));
  await iamClient(aws, broker).send(
    new CreatePolicyVersionCommand({ PolicyArn: boundary, PolicyDocument: JSON.stringify(denied), SetAsDefault: true }),
  );
  expect(aws.can(keys, 's3:GetObject', OBJECT)).toBe('denied');
  const identity = await stsClient(aws, keys).send(new GetCallerIdentityCommand({}));
  expect(identity.Arn).toBe(parent.AssumedRoleUser?.Arn);
  aws.advance(900_000);
  expect(aws.can(keys, 's3:GetObject', OBJECT)).toBe('expired');
});

async function session(more: object = {}): Promise<AwsKeys> {
  return keysOf((await assume(more)).Credentials);
}

describe('session policies', () => {
  const policy = (...statements: object[]) => JSON.stringify(document(...statements));

  test('inline and managed ones are one layer, and only ever narrow', async () => {
    const gets = aws.managedPolicy('gets', document(allow('s3:Get*')));
    const one = await session({ Policy: policy(allow('s3:Put*'), allow('ec2:*')), PolicyArns: [{ arn: gets }] });
    const can = (action: string) => aws.can(one, action, OBJECT);
    expect(['s3:GetObject', 's3:PutObject', 's3:ListBucket', 'ec2:RunInstances'].map(can)).toEqual([
      'allowed',
      'allowed',
      'denied',
      'denied',
    ]);
  });

  test('an end of its own, before the end of the credentials', async () => {
    const end = new Date(aws.now().getTime() + 60_000);
    const late = { DateGreaterThan: { 'aws:CurrentTime': end.toISOString() } };
    const one = await session({ Policy: policy(allow('s3:*'), deny('*', '*', late)) });
    expect(aws.can(one, 's3:GetObject', OBJECT)).toBe('allowed');
    aws.advance(60_001);
    expect(aws.can(one, 's3:GetObject', OBJECT)).toBe('denied');
    const again = await session();
    expect(aws.can(again, 's3:GetObject', OBJECT)).toBe('allowed');
  });

  test('an escaped parameter is only itself', async () => {
    const one = await session({ Policy: policy(allow('s3:GetObject', 'arn:aws:s3:::invoices/${*}/1')) });
    expect(aws.can(one, 's3:GetObject', 'arn:aws:s3:::invoices/*/1')).toBe('allowed');
    expect(aws.can(one, 's3:GetObject', OBJECT)).toBe('denied');
  });
});

describe('a Deny hits by what it names', () => {
  const passed = { Tags: [{ Key: 'writ:grant', Value: 'g1' }], SourceIdentity: 'agent-1' };
  test.each([
    { condition: { StringEquals: { 'aws:PrincipalTag/writ:grant': ['g0', 'g1'] } }, want: 'denied' },
    { condition: { StringEquals: { 'aws:PrincipalTag/writ:grant': ['g0', 'g2'] } }, want: 'allowed' },
    { condition: { StringLike: { 'aws:userid': '*:mint-1' } }, want: 'denied' },
    { condition: { StringLike: { 'aws:userid': '*:mint-2' } }, want: 'allowed' },
    { condition: { StringEquals: { 'aws:SourceIdentity': 'agent-1' } }, want: 'denied' },
    { condition: { StringEquals: { 'aws:SourceIdentity': 'agent-2' } }, want: 'allowed' },
    { condition: { DateLessThan: { 'aws:TokenIssueTime': '2100-01-01T00:00:00Z' } }, want: 'denied' },
    { condition: { DateLessThan: { 'aws:TokenIssueTime': '2020-01-01T00:00:00Z' } }, want: 'allowed' },
    { condition: { DateGreaterThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } }, want: 'denied' },
    { condition: { DateGreaterThan: { 'aws:CurrentTime': '2100-01-01T00:00:00Z' } }, want: 'allowed' },
    { condition: { ArnEquals: { 'aws:PrincipalArn': 'arn:aws:iam::123456789012:role/agents' } }, want: 'denied' },
    { condition: { StringEquals: { 'sts:RoleSessionName': 'mint-1' } }, want: 'allowed' }, // of trust policies only
    { condition: { StringEquals: { 'sts:SourceIdentity': 'agent-1' } }, want: 'allowed' },
  ])('$condition: $want', async ({ condition, want }) => {
    const one = await session(passed);
    aws.setBoundary('agents', aws.managedPolicy('denies', document(allow('*'), deny('*', '*', condition))));
    expect(aws.can(one, 's3:GetObject', OBJECT)).toBe(want);
  });

  test("by the time of issue, a user's own keys have none", () => {
    const fence = deny('*', '*', { DateLessThan: { 'aws:TokenIssueTime': '2100-01-01T00:00:00Z' } });
    expect(aws.can(aws.user('plain', [document(allow('*'), fence)]), 's3:GetObject', OBJECT)).toBe('allowed');
  });
});

test('GetCallerIdentity needs no permission, and no policy takes it away', async () => {
  const one = await session({ Policy: JSON.stringify(document(deny('*'))) });
  const { Account, UserId } = await stsClient(aws, one).send(new GetCallerIdentityCommand({}));
  expect([Account, UserId]).toEqual([aws.account, aws.sessions[0]?.id]);
  expect(aws.can(one, 'sts:GetCallerIdentity', '*')).toBe('allowed');
});

test('every call is on record, with who made it', async () => {
  const one = await session({ SourceIdentity: 'agent-1' });
  await stsClient(aws, one).send(new GetCallerIdentityCommand({}));
  expect(aws.calls).toEqual([
    {
      at: expect.any(Date),
      action: 'AssumeRole',
      params: { RoleArn: agents, RoleSessionName: 'mint-1', SourceIdentity: 'agent-1' },
      who: 'arn:aws:iam::123456789012:user/broker',
      session: undefined,
      status: 200,
      code: undefined,
    },
    {
      at: expect.any(Date),
      action: 'GetCallerIdentity',
      params: {},
      who: 'arn:aws:sts::123456789012:assumed-role/agents/mint-1',
      session: one.accessKeyId,
      status: 200,
      code: undefined,
    },
  ]);
});
