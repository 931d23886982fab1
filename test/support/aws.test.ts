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
