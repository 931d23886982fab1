import { AssumeRoleCommand, STSServiceException, type AssumeRoleCommandInput } from '@aws-sdk/client-sts';
import { startFakeAws, type AwsKeys, type FakeAws } from './aws/index.ts';
import { allow, ASSUMING, deny, document, errorName, keysOf, stsClient, trusting } from './aws/setup.ts';

const OPEN = document(allow('*'));
const ROOT = { AWS: 'arn:aws:iam::123456789012:root' };
const OBJECT = 'arn:aws:s3:::inv/a';
let aws: FakeAws;

beforeEach(async () => {
  aws = await startFakeAws();
});
afterEach(() => aws.close());

function assume(keys: AwsKeys, role: string, input: Partial<AssumeRoleCommandInput> = {}) {
  return stsClient(aws, keys).send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'mint-1', ...input }));
}

async function session(keys: AwsKeys, role: string, input: Partial<AssumeRoleCommandInput> = {}): Promise<AwsKeys> {
  return keysOf((await assume(keys, role, input)).Credentials);
}

const USER = 'arn:aws:iam::123456789012:user/broker';
const own = (...statements: object[]) => [document(...statements)];

describe('a user of the same account', () => {
  test.each<{ name: string; principal: object | string; policies: object[]; want: string | undefined }>([
    { name: 'named, without a permission of its own', principal: { AWS: USER }, policies: [], want: undefined },
    {
      name: 'named among others',
      principal: { AWS: ['arn:aws:iam::123456789012:user/x', USER] },
      policies: [],
      want: undefined,
    },
    {
      name: 'named, but denied by its own policy',
      principal: { AWS: USER },
      policies: own(deny('sts:*')),
      want: 'AccessDenied',
    },
    { name: 'another named', principal: { AWS: `${USER}2` }, policies: [OPEN], want: 'AccessDenied' },
    {
      name: 'the account named, and a permission',
      principal: ROOT,
      policies: own(allow('sts:AssumeRole')),
      want: undefined,
    },
    { name: 'the account named by its number', principal: { AWS: '123456789012' }, policies: [OPEN], want: undefined },
    { name: 'the account named, without a permission', principal: ROOT, policies: [], want: 'AccessDenied' },
    {
      name: 'the account named, a permission for another role',
      principal: ROOT,
      policies: own(allow('sts:AssumeRole', 'arn:aws:iam::123456789012:role/other')),
      want: 'AccessDenied',
    },
    {
      name: 'the account named, a permission that is denied',
      principal: ROOT,
      policies: own(allow('*'), deny('sts:AssumeRole')),
      want: 'AccessDenied',
    },
    { name: 'another account named', principal: { AWS: '210987654321' }, policies: [OPEN], want: 'AccessDenied' },
    { name: 'everyone named', principal: '*', policies: [], want: undefined },
    { name: 'everyone named as AWS', principal: { AWS: '*' }, policies: [], want: undefined },
    { name: 'a service named', principal: { Service: 'ec2.amazonaws.com' }, policies: [OPEN], want: 'AccessDenied' },
    { name: 'a federated provider named', principal: { Federated: USER }, policies: [OPEN], want: 'AccessDenied' },
  ])('$name: $want', async ({ principal, policies, want }) => {
    const broker = aws.user('broker', policies);
    const role = aws.role('agents', { trust: trusting(principal), policies: [OPEN] });
    expect(await errorName(assume(broker, role))).toBe(want);
    expect(aws.can(broker, 'sts:AssumeRole', role)).toBe(want === undefined ? 'allowed' : 'denied');
  });

  test('is denied by the trust policy whatever else it says', async () => {
    const broker = aws.user('broker', [OPEN]);
    const trust = document(
      { Effect: 'Allow', Principal: { AWS: USER }, Action: 'sts:AssumeRole' },
      { Effect: 'Deny', Principal: ROOT, Action: 'sts:*', Condition: { StringEquals: { 'aws:username': 'broker' } } },
    );
    expect(await errorName(assume(broker, aws.role('agents', { trust, policies: [] })))).toBe('AccessDenied');
  });

  test('is told who may not do what', async () => {
    const broker = aws.user('broker', []);
    const role = aws.role('agents', { trust: trusting(ROOT), policies: [] });
    const error: unknown = await assume(broker, role).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(STSServiceException);
    expect(error).toMatchObject({
      name: 'AccessDenied',
      $fault: 'client',
      $metadata: { httpStatusCode: 403 },
      message: expect.stringContaining(
        `User: ${USER} is not authorized to perform: sts:AssumeRole on resource: ${role}`,
      ),
    });
  });
});

describe('what is passed along needs its own action in the trust policy', () => {
  const tags = { Tags: [{ Key: 'writ:grant', Value: 'g1' }], TransitiveTagKeys: ['writ:grant'] };
  test.each<{ actions: string[]; input: Partial<AssumeRoleCommandInput>; want: string | undefined }>([
    { actions: ['sts:AssumeRole'], input: {}, want: undefined },
    { actions: ['sts:AssumeRole'], input: tags, want: 'AccessDenied' },
    { actions: ['sts:AssumeRole', 'sts:TagSession'], input: tags, want: undefined },
    { actions: ['sts:AssumeRole'], input: { SourceIdentity: 'me' }, want: 'AccessDenied' },
    { actions: ['sts:AssumeRole', 'sts:SetSourceIdentity'], input: { SourceIdentity: 'me' }, want: undefined },
    { actions: ['sts:AssumeRole', 'sts:TagSession'], input: { ...tags, SourceIdentity: 'me' }, want: 'AccessDenied' },
    { actions: ['sts:TagSession', 'sts:SetSourceIdentity'], input: {}, want: 'AccessDenied' },
    { actions: ['sts:*'], input: { ...tags, SourceIdentity: 'me' }, want: undefined },
  ])('$actions for $input: $want', async ({ actions, input, want }) => {
    const broker = aws.user('broker', []);
    const role = aws.role('agents', { trust: trusting({ AWS: USER }, undefined, actions), policies: [] });
    expect(await errorName(assume(broker, role, input))).toBe(want);
    const [last] = aws.sessions;
    expect(last?.tags ?? {}).toEqual(want === undefined && input.Tags ? { 'writ:grant': 'g1' } : {});
  });

  test.each<{ missing: string; input: Partial<AssumeRoleCommandInput> }>([
    { missing: 'sts:TagSession', input: tags },
    { missing: 'sts:SetSourceIdentity', input: { SourceIdentity: 'me' } },
  ])("and in the caller's own where the account is named: $missing", async ({ missing, input }) => {
    const broker = aws.user('broker', [document(allow(ASSUMING.filter((action) => action !== missing)))]);
    const role = aws.role('agents', { trust: trusting(ROOT), policies: [] });
    expect(await errorName(assume(broker, role, input))).toBe('AccessDenied');
    expect(await errorName(assume(broker, role))).toBeUndefined();
  });
});

describe('conditions of a trust policy', () => {
  const grant = (value: string) => ({ Tags: [{ Key: 'writ:grant', Value: value }] });
  test.each<{ condition: object; input: Partial<AssumeRoleCommandInput>; want: string | undefined }>([
    {
      condition: { StringEquals: { 'sts:ExternalId': 'secret-1' } },
      input: { ExternalId: 'secret-1' },
      want: undefined,
    },
    {
      condition: { StringEquals: { 'sts:ExternalId': 'secret-1' } },
      input: { ExternalId: 'secret-2' },
      want: 'AccessDenied',
    },
    { condition: { StringEquals: { 'sts:ExternalId': 'secret-1' } }, input: {}, want: 'AccessDenied' },
    { condition: { StringLike: { 'sts:RoleSessionName': 'mint-*' } }, input: {}, want: undefined },
    { condition: { StringLike: { 'sts:RoleSessionName': 'other-*' } }, input: {}, want: 'AccessDenied' },
    {
      condition: { StringLike: { 'sts:SourceIdentity': 'agent-*' } },
      input: { SourceIdentity: 'agent-7' },
      want: undefined,
    },
    {
      condition: { StringLike: { 'sts:SourceIdentity': 'agent-*' } },
      input: { SourceIdentity: 'root' },
      want: 'AccessDenied',
    },
    { condition: { StringLike: { 'sts:SourceIdentity': 'agent-*' } }, input: {}, want: 'AccessDenied' },
    { condition: { StringLike: { 'aws:RequestTag/writ:grant': 'g?' } }, input: grant('g1'), want: undefined },
    { condition: { StringLike: { 'aws:RequestTag/writ:grant': 'g?' } }, input: grant('x1'), want: 'AccessDenied' },
    {
      condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['writ:grant'] } },
      input: grant('g1'),
      want: undefined,
    },
    {
      condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['other'] } },
      input: grant('g1'),
      want: 'AccessDenied',
    },
    {
      condition: { 'ForAnyValue:StringEquals': { 'sts:TransitiveTagKeys': ['writ:grant'] } },
      input: { ...grant('g'), TransitiveTagKeys: ['writ:grant'] },
      want: undefined,
    },
    {
      condition: { 'ForAnyValue:StringEquals': { 'sts:TransitiveTagKeys': ['writ:grant'] } },
      input: grant('g'),
      want: 'AccessDenied',
    },
    { condition: { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:user/bro*' } }, input: {}, want: undefined },
    { condition: { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/*' } }, input: {}, want: 'AccessDenied' },
  ])('$condition, $input: $want', async ({ condition, input, want }) => {
    const broker = aws.user('broker', []);
    const role = aws.role('agents', { trust: trusting({ AWS: USER }, condition), policies: [] });
    expect(await errorName(assume(broker, role, input))).toBe(want);
  });
});

describe('a session that assumes a role', () => {
  const S3 = document(allow('s3:*'));

  test('role named: its own policies need not allow it, but boundary and session policies limit it', async () => {
    const broker = aws.user('broker', [OPEN]);
    const bounded = aws.managedPolicy('no-sts', S3);
    const first = aws.role('first', { trust: trusting(ROOT), policies: [S3] });
    const second = aws.role('second', { trust: trusting({ AWS: first }), policies: [S3] });
    const free = await session(broker, first);
    expect(await errorName(assume(free, second))).toBeUndefined();
    const limited = await session(broker, first, { Policy: JSON.stringify(S3) });
    expect(await errorName(assume(limited, second))).toBe('AccessDenied');
    aws.setBoundary('first', bounded);
    expect(await errorName(assume(free, second))).toBe('AccessDenied');
  });

  test('the session itself named: nothing of its own limits it but a Deny', async () => {
    const broker = aws.user('broker', [OPEN]);
    const first = aws.role('first', { trust: trusting(ROOT), policies: [S3] });
    const named = 'arn:aws:sts::123456789012:assumed-role/first/mint-1';
    const second = aws.role('second', { trust: trusting({ AWS: named }), policies: [S3] });
    expect(
      await errorName(assume(await session(broker, first, { Policy: JSON.stringify(S3) }), second)),
    ).toBeUndefined();
    const denied = JSON.stringify(document(allow('*'), deny('sts:*')));
    expect(await errorName(assume(await session(broker, first, { Policy: denied }), second))).toBe('AccessDenied');
    const other = await session(broker, first, { RoleSessionName: 'mint-2' });
    expect(await errorName(assume(other, second))).toBe('AccessDenied');
  });

  test('takes its transitive tags along, and no others; none can be passed again', async () => {
    const broker = aws.user('broker', [OPEN]);
    const first = aws.role('first', { trust: trusting(ROOT), policies: [OPEN] });
    const second = aws.role('second', { trust: trusting(ROOT), policies: [OPEN] });
    const tags = [
      { Key: 'writ:grant', Value: 'g1' },
      { Key: 'team', Value: 'payments' },
    ];
    const parent = await session(broker, first, { Tags: tags, TransitiveTagKeys: ['writ:grant'] });
    await session(parent, second, { Tags: [{ Key: 'extra', Value: 'x' }] });
    expect(aws.sessions.map((one) => one.tags)).toEqual([
      { 'writ:grant': 'g1', team: 'payments' },
      { 'writ:grant': 'g1', extra: 'x' },
    ]);
    expect(aws.sessions[1]?.transitiveTagKeys).toEqual(['writ:grant']);
    const again = assume(parent, second, { Tags: [{ Key: 'WRIT:GRANT', Value: 'g2' }] });
    expect(await errorName(again)).toBe('InvalidParameterValue');
  });

  test('inherited tags need sts:TagSession of the next role', async () => {
    const broker = aws.user('broker', [OPEN]);
    const first = aws.role('first', { trust: trusting(ROOT), policies: [OPEN] });
    const second = aws.role('second', { trust: trusting(ROOT, undefined, ['sts:AssumeRole']), policies: [OPEN] });
    const tagged = { Tags: [{ Key: 'a', Value: '1' }] };
    expect(await errorName(assume(await session(broker, first, tagged), second))).toBeUndefined();
    const transitive = await session(broker, first, { ...tagged, TransitiveTagKeys: ['a'] });
    expect(await errorName(assume(transitive, second))).toBe('AccessDenied');
  });

  test('keeps its source identity, and needs the permission on both sides to pass it on', async () => {
    const broker = aws.user('broker', [OPEN]);
    const first = aws.role('first', { trust: trusting(ROOT), policies: [document(allow(ASSUMING))] });
    const poor = aws.role('poor', { trust: trusting(ROOT), policies: [document(allow('sts:AssumeRole'))] });
    const second = aws.role('second', { trust: trusting({ AWS: [first, poor] }), policies: [OPEN] });
    const closed = aws.role('closed', { trust: trusting(ROOT, undefined, ['sts:AssumeRole']), policies: [OPEN] });
    const parent = await session(broker, first, { SourceIdentity: 'agent-7' });
    expect((await assume(parent, second)).SourceIdentity).toBe('agent-7');
    expect((await assume(parent, second, { SourceIdentity: 'agent-7' })).SourceIdentity).toBe('agent-7');
    expect(await errorName(assume(parent, second, { SourceIdentity: 'agent-8' }))).toBe('AccessDenied');
    expect(await errorName(assume(parent, closed))).toBe('AccessDenied');
    expect(await errorName(assume(await session(broker, poor, { SourceIdentity: 'agent-7' }), second))).toBe(
      'AccessDenied',
    );
  });

  test('escapes what is said of its id, and not what is said of its tags or source identity', async () => {
    const broker = aws.user('broker', [OPEN]);
    const first = aws.role('first', { trust: trusting(ROOT), policies: [OPEN] });
    const fences = {
      id: aws.managedPolicy(
        'by-id',
        document(allow('*'), deny('*', '*', { StringLike: { 'aws:userid': '*:mint-1' } })),
      ),
      tag: aws.managedPolicy(
        'by-tag',
        document(allow('*'), deny('*', '*', { StringEquals: { 'aws:PrincipalTag/writ:grant': 'g1' } })),
      ),
      source: aws.managedPolicy(
        'by-source',
        document(allow('*'), deny('*', '*', { StringEquals: { 'aws:SourceIdentity': 'agent-7' } })),
      ),
    };
    aws.role('second', { trust: trusting(ROOT), policies: [OPEN] });
    const passed = {
      Tags: [{ Key: 'writ:grant', Value: 'g1' }],
      TransitiveTagKeys: ['writ:grant'],
      SourceIdentity: 'agent-7',
    };
    const parent = await session(broker, first, passed);
    const chained = await session(parent, 'arn:aws:iam::123456789012:role/second', { RoleSessionName: 'innocent' });
    const seen = (fence: string) => {
      aws.setBoundary('first', fence);
      aws.setBoundary('second', fence);
      return [parent, chained].map((keys) => aws.can(keys, 's3:GetObject', OBJECT));
    };
    expect(seen(fences.id)).toEqual(['denied', 'allowed']);
    expect(seen(fences.tag)).toEqual(['denied', 'denied']);
    expect(seen(fences.source)).toEqual(['denied', 'denied']);
  });
});
