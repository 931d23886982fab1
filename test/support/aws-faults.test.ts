import { GetRoleCommand } from '@aws-sdk/client-iam';
import { AssumeRoleCommand, GetCallerIdentityCommand, RegionDisabledException } from '@aws-sdk/client-sts';
import { startFakeAws, type AwsKeys, type FakeAws } from './aws/index.ts';
import { allow, document, errorName, iamClient, keysOf, stsClient, trusting } from './aws/setup.ts';
import { isOpen } from './waiting.ts';

const OPEN = document(allow('*'));
let aws: FakeAws;
let broker: AwsKeys;
let role: string;

beforeEach(async () => {
  aws = await startFakeAws();
  broker = aws.user('broker', [OPEN]);
  role = aws.role('agents', { trust: trusting({ AWS: aws.account }), policies: [OPEN] });
});
afterEach(() => aws.close());

const assume = (options?: Parameters<typeof stsClient>[2]) =>
  stsClient(aws, broker, options).send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'mint-1' }));
const identity = (options?: Parameters<typeof stsClient>[2]) =>
  stsClient(aws, broker, options).send(new GetCallerIdentityCommand({}));

test('throttles the next calls of an action, and the SDK tries on', async () => {
  aws.faults.throttle('AssumeRole', 2);
  expect(await errorName(assume())).toBe('Throttling');
  expect(await errorName(identity())).toBeUndefined();
  expect((await assume({ maxAttempts: 3 })).$metadata.attempts).toBe(2);
  expect(aws.sessions).toHaveLength(1);
  expect(aws.calls.map(({ action, status, code }) => [action, status, code])).toEqual([
    ['AssumeRole', 400, 'Throttling'],
    ['GetCallerIdentity', 200, undefined],
    ['AssumeRole', 400, 'Throttling'],
    ['AssumeRole', 200, undefined],
  ]);
});

test('fails an action as told, so often or for good', async () => {
  aws.faults.fail('AssumeRole', { status: 403, code: 'RegionDisabledException', message: 'not in this region' }, 1);
  await expect(assume()).rejects.toBeInstanceOf(RegionDisabledException);
  expect(await errorName(assume())).toBeUndefined();
  aws.faults.fail('*', { status: 503, code: 'ServiceUnavailable' });
  expect(await errorName(assume())).toBe('ServiceUnavailable');
  expect(await errorName(iamClient(aws, broker).send(new GetRoleCommand({ RoleName: 'agents' })))).toBe(
    'ServiceUnavailable',
  );
  aws.faults.clear();
  expect(await errorName(assume())).toBeUndefined();
});

test('does not fail for whoever is not known', async () => {
  aws.faults.fail('GetCallerIdentity', { status: 500, code: 'InternalFailure' });
  const forged = stsClient(aws, { ...broker, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' });
  expect(await errorName(forged.send(new GetCallerIdentityCommand({})))).toBe('InvalidClientTokenId');
});

test('holds answers back, after they took effect', async () => {
  aws.faults.delay('AssumeRole', 400, 1);
  const slow = assume();
  expect(await isOpen(slow)).toBe(true);
  expect(aws.sessions).toHaveLength(1);
  await slow;
  expect(await isOpen(identity())).toBe(false);
});

test('lies', async () => {
  aws.faults.lie = (action, result) =>
    action === 'AssumeRole' ? { ...result, SourceIdentity: 'somebody <else>&"', Added: undefined } : result;
  const answer = await assume();
  expect(answer.SourceIdentity).toBe('somebody <else>&"');
  expect(answer.AssumedRoleUser?.Arn).toContain('agents');
  expect((await identity()).Account).toBe(aws.account);
  aws.faults.lie = () => ({});
  expect((await assume()).Credentials).toBeUndefined();
});

describe('cuts', () => {
  test.each([
    { message: 0, sessions: 0, answered: 0 },
    { message: 1, sessions: 1, answered: 0 },
    { message: 2, sessions: 1, answered: 1 },
    { message: 3, sessions: 2, answered: 1 },
  ])('at message $message, for good', async ({ message, sessions, answered }) => {
    const cut = aws.faults.cut(message);
    expect(cut.happened()).toBe(false);
    const names = [await errorName(assume()), await errorName(assume())];
    expect(names.filter((name) => name === undefined)).toHaveLength(answered);
    expect(aws.sessions).toHaveLength(sessions);
    expect(cut.happened()).toBe(true);
    expect(await errorName(assume({ maxAttempts: 3 }))).toBeDefined();
    expect(aws.sessions).toHaveLength(sessions);
    aws.faults.clear();
    expect(await errorName(assume())).toBeUndefined();
  });

  test('has not happened where fewer messages were sent', async () => {
    const cut = aws.faults.cut(2);
    await assume();
    expect(cut.happened()).toBe(false);
  });

  test('cuts connections that were open before, too', async () => {
    const open = stsClient(aws, broker);
    await open.send(new GetCallerIdentityCommand({}));
    aws.faults.cut(0);
    expect(await errorName(assume())).toBeDefined();
    expect(await errorName(open.send(new GetCallerIdentityCommand({})))).toBeDefined();
    expect(aws.calls).toHaveLength(1);
  });

  test('counts from where it was asked for', async () => {
    await assume();
    const cut = aws.faults.cut(1);
    expect(await errorName(assume())).toBeDefined();
    expect([cut.happened(), aws.sessions.length]).toEqual([true, 2]);
  });
});

test('is silent: takes requests, does nothing, says nothing', async () => {
  aws.faults.silent = true;
  const pending = assume();
  expect(await isOpen(pending)).toBe(true);
  expect([aws.sessions, aws.calls]).toEqual([[], []]);
  await aws.close();
  await expect(pending).rejects.toThrow();
});

test('a door has faults of its own on the same account', async () => {
  const door = await aws.door();
  door.faults.cut(1);
  expect(await errorName(assume({ url: door.url }))).toBeDefined();
  expect(aws.sessions).toHaveLength(1);
  const after = await assume();
  expect(aws.can(keysOf(after.Credentials), 's3:GetObject', 'arn:aws:s3:::x/y')).toBe('allowed');
  const slow = await aws.door();
  slow.faults.throttle('*', 1);
  expect(await errorName(assume({ url: slow.url }))).toBe('Throttling');
  expect(await errorName(assume())).toBeUndefined();
  await door.close();
  expect(await errorName(identity({ url: door.url }))).toBeDefined();
  expect(await errorName(identity())).toBeUndefined();
});

describe('what cannot be judged is not passed over', () => {
  test.each<{ name: string; input: object; want: string }>([
    {
      name: 'a parameter',
      input: { SerialNumber: 'arn:aws:iam::123456789012:mfa/x', TokenCode: '123456' },
      want: 'SerialNumber',
    },
    {
      name: 'a condition key',
      input: { Policy: JSON.stringify(document(allow('*', '*', { StringEquals: { 'aws:SourceVpc': 'x' } }))) },
      want: 'aws:SourceVpc',
    },
  ])('$name that came in', async ({ input, want }) => {
    const own = await startFakeAws();
    const keys = own.user('broker', [OPEN]);
    const arn = own.role('agents', { trust: trusting({ AWS: own.account }), policies: [] });
    const command = new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: 'mint-1', ...input });
    expect(await errorName(stsClient(own, keys).send(command))).toBe('FakeAwsUnsupported');
    expect(own.sessions).toEqual([]);
    const error: unknown = await own.close().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([
      expect.objectContaining({ message: expect.stringContaining(want) }),
    ]);
  });

  test.each<{ name: string; make: () => unknown; want: string }>([
    {
      name: 'a condition key of a user',
      make: () => aws.user('x', [document(allow('*', '*', { StringEquals: { 'ec2:Region': 'x' } }))]),
      want: 'ec2:Region',
    },
    { name: 'a policy that is none', make: () => aws.managedPolicy('x', { Statement: [] }), want: 'no Statement' },
    { name: 'a name that is none', make: () => aws.user('a b', []), want: 'no name' },
    { name: 'a user twice', make: () => aws.user('broker', []), want: 'already' },
    { name: 'a role twice', make: () => aws.role('agents', { trust: trusting('*'), policies: [] }), want: 'already' },
    {
      name: 'a policy twice',
      make: () => [aws.managedPolicy('x', OPEN), aws.managedPolicy('x', OPEN)],
      want: 'already',
    },
    {
      name: 'a boundary that is not there',
      make: () =>
        aws.role('x', { trust: trusting('*'), policies: [], boundary: 'arn:aws:iam::123456789012:policy/no' }),
      want: 'no policy',
    },
    {
      name: 'too long a session',
      make: () => aws.role('x', { trust: trusting('*'), policies: [], maxSessionSeconds: 43_201 }),
      want: '43200',
    },
    {
      name: 'policies too large',
      make: () =>
        aws.role('x', { trust: trusting('*'), policies: [document(allow('*', `arn:aws:s3:::${'x'.repeat(10_240)}`))] }),
      want: '10240',
    },
    { name: "a boundary of nobody's", make: () => aws.setBoundary('nobody', undefined), want: 'no role' },
  ])('$name in the set-up', ({ make, want }) => {
    expect(make).toThrow(want);
  });
});
