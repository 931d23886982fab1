import { AssumeRoleCommand, type AssumeRoleCommandInput, type STSClient } from '@aws-sdk/client-sts';
import { startFakeAws, type FakeAws } from './aws/index.ts';
import { allow, document, errorName, keysOf, stsClient, trusting } from './aws/setup.ts';

const OPEN = document(allow('*'));
let aws: FakeAws;
let sts: STSClient;
let hour: string;
let twelveHours: string;

beforeAll(async () => {
  aws = await startFakeAws();
  sts = stsClient(aws, aws.user('broker', [OPEN]));
  const trust = trusting({ AWS: aws.account });
  hour = aws.role('hour', { trust, policies: [OPEN] });
  twelveHours = aws.role('twelve-hours', { trust, policies: [OPEN], maxSessionSeconds: 43_200 });
});
afterAll(() => aws.close());

const assume = (input: Partial<AssumeRoleCommandInput>, client = sts) =>
  client.send(new AssumeRoleCommand({ RoleArn: hour, RoleSessionName: 'mint-1', ...input }));

const long = (length: number) => 'x'.repeat(length);
/** A policy of exactly so many characters. */
const policyOf = (length: number) => {
  const text = JSON.stringify({ ...document(allow('*')), Id: '' });
  return text.replace('"Id":""', `"Id":"${long(length - text.length)}"`);
};
const tags = (count: number) => Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, Value: '' }));

test.each<{ name: string; input: Partial<AssumeRoleCommandInput>; want: string | undefined }>([
  { name: 'a session name of 2', input: { RoleSessionName: 'ab' }, want: undefined },
  { name: 'a session name of 64', input: { RoleSessionName: long(64) }, want: undefined },
  { name: 'all characters of a session name', input: { RoleSessionName: 'aZ0_+=,.@-' }, want: undefined },
  { name: 'a session name of 1', input: { RoleSessionName: 'a' }, want: 'ValidationError' },
  { name: 'a session name of 65', input: { RoleSessionName: long(65) }, want: 'ValidationError' },
  { name: 'a session name with a colon', input: { RoleSessionName: 'a:b' }, want: 'ValidationError' },
  { name: 'a session name with a slash', input: { RoleSessionName: 'a/b' }, want: 'ValidationError' },
  { name: 'a session name with a space', input: { RoleSessionName: 'a b' }, want: 'ValidationError' },
  { name: 'no session name', input: { RoleSessionName: undefined }, want: 'ValidationError' },
  { name: 'a source identity of 64', input: { SourceIdentity: long(64) }, want: undefined },
  { name: 'a source identity of 65', input: { SourceIdentity: long(65) }, want: 'ValidationError' },
  { name: 'a source identity of 1', input: { SourceIdentity: 'a' }, want: 'ValidationError' },
  { name: 'a SPIFFE id as source identity', input: { SourceIdentity: 'spiffe://x/y' }, want: 'ValidationError' },
  { name: 'a source identity of AWS', input: { SourceIdentity: 'aws:me' }, want: 'ValidationError' },
  { name: 'an external id of 1224', input: { ExternalId: long(1224) }, want: undefined },
  { name: 'all characters of an external id', input: { ExternalId: 'aZ0_+=,.@:/-' }, want: undefined },
  { name: 'an external id of 1', input: { ExternalId: 'a' }, want: 'ValidationError' },
  { name: 'an external id of 1225', input: { ExternalId: long(1225) }, want: 'ValidationError' },
  { name: 'an external id with a space', input: { ExternalId: 'a b' }, want: 'ValidationError' },
  { name: 'no role', input: { RoleArn: undefined }, want: 'ValidationError' },
  { name: 'a role that is no ARN', input: { RoleArn: 'agents-of-some-kind-or-other' }, want: 'ValidationError' },
  {
    name: "a role that is somebody's user",
    input: { RoleArn: 'arn:aws:iam::123456789012:user/x' },
    want: 'ValidationError',
  },
  { name: 'a role that is not there', input: { RoleArn: 'arn:aws:iam::123456789012:role/x' }, want: 'AccessDenied' },
  { name: '900 s', input: { DurationSeconds: 900 }, want: undefined },
  { name: '899 s', input: { DurationSeconds: 899 }, want: 'ValidationError' },
  { name: '0 s', input: { DurationSeconds: 0 }, want: 'ValidationError' },
  { name: "a second more than the role's maximum", input: { DurationSeconds: 3601 }, want: 'ValidationError' },
  { name: '43,201 s', input: { DurationSeconds: 43_201 }, want: 'ValidationError' },
  { name: 'half a second', input: { DurationSeconds: 900.5 }, want: 'MalformedInput' },
  { name: 'a policy of 2,048', input: { Policy: policyOf(2048) }, want: undefined },
  { name: 'a policy of 2,049', input: { Policy: policyOf(2049) }, want: 'ValidationError' },
  { name: 'an empty policy', input: { Policy: '' }, want: 'ValidationError' },
  { name: 'a policy with an emoji', input: { Policy: policyOf(200).replace('x', '☃') }, want: 'ValidationError' },
  { name: 'a policy that is no JSON', input: { Policy: '{' }, want: 'MalformedPolicyDocumentException' },
  {
    name: 'a policy without statements',
    input: { Policy: '{"Version":"2012-10-17","Statement":[]}' },
    want: 'MalformedPolicyDocumentException',
  },
  { name: '50 tags', input: { Tags: tags(50) }, want: undefined },
  { name: 'no tags', input: { Tags: [], TransitiveTagKeys: [] }, want: undefined },
  { name: '51 tags', input: { Tags: tags(51) }, want: 'ValidationError' },
  { name: 'a key of 128', input: { Tags: [{ Key: long(128), Value: '' }] }, want: undefined },
  { name: 'a key of 129', input: { Tags: [{ Key: long(129), Value: '' }] }, want: 'ValidationError' },
  { name: 'an empty key', input: { Tags: [{ Key: '', Value: 'x' }] }, want: 'ValidationError' },
  { name: 'a value of 256', input: { Tags: [{ Key: 'k', Value: long(256) }] }, want: undefined },
  { name: 'a value of 257', input: { Tags: [{ Key: 'k', Value: long(257) }] }, want: 'ValidationError' },
  { name: 'no value', input: { Tags: [{ Key: 'k', Value: undefined }] }, want: 'ValidationError' },
  {
    name: 'all kinds of characters',
    input: { Tags: [{ Key: 'writ:grant_.:/=+-@ ä', Value: '日本 x' }] },
    want: undefined,
  },
  { name: 'a value with a wildcard', input: { Tags: [{ Key: 'k', Value: '*' }] }, want: 'ValidationError' },
  { name: 'a value with a variable', input: { Tags: [{ Key: 'k', Value: '${aws:userid}' }] }, want: 'ValidationError' },
  { name: 'a key of AWS', input: { Tags: [{ Key: 'aws:x', Value: '' }] }, want: 'ValidationError' },
  {
    name: 'a key twice',
    input: {
      Tags: [
        { Key: 'k', Value: '1' },
        { Key: 'k', Value: '1' },
      ],
    },
    want: 'InvalidParameterValue',
  },
  {
    name: 'a key twice but for case',
    input: {
      Tags: [
        { Key: 'Team', Value: '1' },
        { Key: 'team', Value: '2' },
      ],
    },
    want: 'InvalidParameterValue',
  },
  {
    name: 'a transitive key in another case',
    input: { Tags: [{ Key: 'Team', Value: '1' }], TransitiveTagKeys: ['team'] },
    want: undefined,
  },
  {
    name: 'a transitive key without its tag',
    input: { Tags: tags(1), TransitiveTagKeys: ['other'] },
    want: 'InvalidParameterValue',
  },
])('$name: $want', async ({ input, want }) => {
  expect(await errorName(assume(input))).toBe(want);
});

test('tags that do not fit into the token: PackedPolicyTooLarge', async () => {
  const random = () => Array.from({ length: 256 }, () => Math.random().toString(36).charAt(2) || 'x').join('');
  const many = Array.from({ length: 50 }, (_, n) => ({ Key: `k${n}`, Value: random() }));
  expect(await errorName(assume({ Tags: many }))).toBe('PackedPolicyTooLargeException');
});

test('managed policies count in, at most ten, and must be there', async () => {
  const arns = Array.from({ length: 11 }, (_, n) => ({ arn: aws.managedPolicy(`managed-${n}`, OPEN) }));
  const large = aws.managedPolicy(
    'large',
    document(
      allow(
        '*',
        Array.from({ length: 60 }, (_, n) => `arn:aws:s3:::bucket-${n}/*`),
      ),
    ),
  );
  expect(await errorName(assume({ PolicyArns: arns.slice(0, 10) }))).toBeUndefined();
  expect(await errorName(assume({ PolicyArns: arns }))).toBe('ValidationError');
  expect(await errorName(assume({ PolicyArns: [{ arn: large }] }))).toBeUndefined();
  expect(await errorName(assume({ PolicyArns: [{ arn: large }], Policy: policyOf(1000) }))).toBe(
    'PackedPolicyTooLargeException',
  );
  expect(await errorName(assume({ PolicyArns: [{ arn: `${large}-not` }] }))).toBe('ValidationError');
});

test('the end is counted in whole seconds from the server, an hour when nothing is said', async () => {
  const before = aws.now().getTime();
  const ends = await Promise.all([
    assume({}),
    assume({ DurationSeconds: 900 }),
    assume({ RoleArn: twelveHours, DurationSeconds: 43_200 }),
  ]);
  const seconds = ends.map(({ Credentials }) => ((Credentials?.Expiration?.getTime() ?? 0) - before) / 1000);
  for (const [index, want] of [3600, 900, 43_200].entries()) {
    expect(seconds[index]).toBeGreaterThan(want - 1);
    expect(seconds[index]).toBeLessThan(want + 1);
  }
  expect(ends[1].Credentials?.Expiration?.getMilliseconds()).toBe(0);
});

test('a chained role has an hour at most, whatever its maximum', async () => {
  const first = keysOf((await assume({ RoleArn: twelveHours, DurationSeconds: 7200 })).Credentials);
  const chained = stsClient(aws, first);
  expect(await errorName(assume({ RoleArn: twelveHours, DurationSeconds: 3601 }, chained))).toBe('ValidationError');
  expect(await errorName(assume({ RoleArn: twelveHours, DurationSeconds: 3600 }, chained))).toBeUndefined();
});

test('the size of the token is told, and can be asked for', async () => {
  const plain = await assume({});
  const padded = await assume({ MinimumSessionTokenSize: 2048 });
  expect(plain.SessionTokenSize).toBe(plain.Credentials?.SessionToken?.length);
  expect(plain.SessionTokenUtilization).toBeGreaterThan(0);
  expect(padded.SessionTokenSize).toBe(2048);
  expect(padded.Credentials?.SessionToken).toHaveLength(2048);
  expect(padded.SessionTokenUtilization).toBe(50);
  expect(await errorName(assume({ MinimumSessionTokenSize: 4097 }))).toBe('ValidationError');
});

test('the answer has the parts that STS gives', async () => {
  const answer = await assume({ SourceIdentity: 'agent-7' });
  expect(answer).toMatchObject({
    Credentials: {
      AccessKeyId: expect.stringMatching(/^ASIA[A-Z2-7]{16}$/),
      SecretAccessKey: expect.stringMatching(/^[\w+/]{40}$/),
      SessionToken: expect.any(String),
      Expiration: expect.any(Date),
    },
    AssumedRoleUser: {
      AssumedRoleId: expect.stringMatching(/^AROA[A-Z2-7]{17}:mint-1$/),
      Arn: 'arn:aws:sts::123456789012:assumed-role/hour/mint-1',
    },
    SourceIdentity: 'agent-7',
    PackedPolicySize: expect.any(Number),
    $metadata: { httpStatusCode: 200, requestId: expect.stringMatching(/^[\da-f-]{36}$/) },
  });
});
