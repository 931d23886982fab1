import {
  CreatePolicyVersionCommand,
  DeletePolicyVersionCommand,
  DeleteRolePermissionsBoundaryCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  ListPolicyVersionsCommand,
  PutRolePermissionsBoundaryCommand,
  SetDefaultPolicyVersionCommand,
  type IAMClient,
} from '@aws-sdk/client-iam';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import { startFakeAws, type AwsKeys, type FakeAws } from './aws/index.ts';
import { allow, deny, document, errorName, iamClient, keysOf, stsClient, trusting } from './aws/setup.ts';

const OPEN = document(allow('*'));
const CLOSED = document(deny('*'));
const OBJECT = 'arn:aws:s3:::inv/a';
let aws: FakeAws;
let broker: AwsKeys;
let iam: IAMClient;
let boundary: string;
let session: AwsKeys;

beforeEach(async () => {
  aws = await startFakeAws();
  broker = aws.user('broker', [OPEN]);
  iam = iamClient(aws, broker);
  boundary = aws.managedPolicy('boundary', OPEN);
  const trust = trusting({ AWS: aws.account });
  const role = aws.role('agents', { trust, policies: [OPEN], boundary, maxSessionSeconds: 7200 });
  const assumed = await stsClient(aws, broker).send(
    new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'mint-1' }),
  );
  session = keysOf(assumed.Credentials);
});
afterEach(() => aws.close());

const create = (policy: object | string, isDefault = true, client = iam) =>
  client.send(
    new CreatePolicyVersionCommand({
      PolicyArn: boundary,
      PolicyDocument: typeof policy === 'string' ? policy : JSON.stringify(policy),
      SetAsDefault: isDefault,
    }),
  );
const remove = (VersionId: string) => iam.send(new DeletePolicyVersionCommand({ PolicyArn: boundary, VersionId }));
const versions = async () => {
  const { Versions = [] } = await iam.send(new ListPolicyVersionsCommand({ PolicyArn: boundary }));
  return Versions.map(({ VersionId, IsDefaultVersion }) => `${VersionId ?? ''}${IsDefaultVersion === true ? '*' : ''}`);
};
const can = () => aws.can(session, 's3:GetObject', OBJECT);

test('reads: a role, a policy, its version as it was written', async () => {
  const { Role } = await iam.send(new GetRoleCommand({ RoleName: 'agents' }));
  expect(Role).toMatchObject({
    Arn: 'arn:aws:iam::123456789012:role/agents',
    RoleId: expect.stringMatching(/^AROA/),
    MaxSessionDuration: 7200,
    PermissionsBoundary: { PermissionsBoundaryArn: boundary, PermissionsBoundaryType: 'Policy' },
    CreateDate: expect.any(Date),
  });
  const trust: unknown = JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ''));
  expect(trust).toEqual(trusting({ AWS: aws.account }));
  const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn: boundary }));
  expect(Policy).toMatchObject({ Arn: boundary, DefaultVersionId: 'v1', PermissionsBoundaryUsageCount: 1 });
  const text = JSON.stringify(document(allow('s3:*', "arn:aws:s3:::a b/(x)'!*&<>")), null, 2);
  await create(text);
  const { PolicyVersion } = await iam.send(new GetPolicyVersionCommand({ PolicyArn: boundary, VersionId: 'v2' }));
  expect(PolicyVersion).toMatchObject({ VersionId: 'v2', IsDefaultVersion: true, CreateDate: expect.any(Date) });
  expect(PolicyVersion?.Document).not.toMatch(/[ *"'()!]/);
  expect(decodeURIComponent(PolicyVersion?.Document ?? '')).toBe(text);
});

test('a new version counts when it is the default, and only then', async () => {
  expect((await create(CLOSED, false)).PolicyVersion).toMatchObject({ VersionId: 'v2', IsDefaultVersion: false });
  expect(can()).toBe('allowed');
  await iam.send(new SetDefaultPolicyVersionCommand({ PolicyArn: boundary, VersionId: 'v2' }));
  expect(can()).toBe('denied');
  await create(OPEN);
  expect(can()).toBe('allowed');
  expect(await versions()).toEqual(['v3*', 'v2', 'v1']);
});

test('five versions at most; the default cannot be deleted, and no number comes twice', async () => {
  for (let n = 2; n <= 5; n++) await create(OPEN);
  expect(await errorName(create(CLOSED))).toBe('LimitExceededException');
  expect(can()).toBe('allowed');
  expect(await errorName(remove('v5'))).toBe('DeleteConflictException');
  await remove('v1');
  expect((await create(CLOSED)).PolicyVersion?.VersionId).toBe('v6');
  expect(await versions()).toEqual(['v6*', 'v5', 'v4', 'v3', 'v2']);
  expect(await errorName(remove('v1'))).toBe('NoSuchEntityException');
});

test('6,144 characters, white space not counted', async () => {
  const of = (size: number) => {
    const text = JSON.stringify({ ...OPEN, Id: '' });
    return text.replace('"Id":""', `"Id":"${'x'.repeat(size - text.length)}"`);
  };
  const spaced = JSON.stringify(JSON.parse(of(6144)), null, '\t\t\t\t\t\t\t\t\t\t');
  expect(spaced.length).toBeGreaterThan(6144);
  expect(await errorName(create(of(6144)))).toBeUndefined();
  expect(await errorName(create(spaced))).toBeUndefined();
  expect(await errorName(create(of(6145)))).toBe('LimitExceededException');
  expect(await versions()).toEqual(['v3*', 'v2', 'v1']);
});

test.each([
  ['no JSON', 'x'],
  ['no statements', '{"Version":"2012-10-17","Statement":[]}'],
  ['an operator that there is not', JSON.stringify(document(deny('*', '*', { StringIs: { 'aws:userid': 'x' } })))],
])('a document with %s is malformed', async (_name, text) => {
  expect(await errorName(create(text))).toBe('MalformedPolicyDocumentException');
});

test('pages of versions', async () => {
  for (let n = 2; n <= 5; n++) await create(OPEN);
  const page = (Marker?: string) =>
    iam.send(new ListPolicyVersionsCommand({ PolicyArn: boundary, MaxItems: 2, ...(Marker && { Marker }) }));
  const first = await page();
  expect(first.Versions?.map(({ VersionId }) => VersionId)).toEqual(['v5', 'v4']);
  expect(first.IsTruncated).toBe(true);
  const third = await page((await page(first.Marker)).Marker);
  expect(third.Versions?.map(({ VersionId }) => VersionId)).toEqual(['v1']);
  expect(third.IsTruncated).toBe(false);
});

test("a role's boundary is put and taken away", async () => {
  const closed = aws.managedPolicy('closed', CLOSED);
  await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName: 'agents', PermissionsBoundary: closed }));
  expect(can()).toBe('denied');
  await iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName: 'agents' }));
  expect(can()).toBe('allowed');
  expect((await iam.send(new GetRoleCommand({ RoleName: 'agents' }))).Role?.PermissionsBoundary).toBeUndefined();
});

test.each<{ name: string; call: () => Promise<unknown> }>([
  { name: 'a role', call: () => iam.send(new GetRoleCommand({ RoleName: 'nobody' })) },
  { name: 'a policy', call: () => iam.send(new GetPolicyCommand({ PolicyArn: `${boundary}2` })) },
  { name: 'a version', call: () => iam.send(new GetPolicyVersionCommand({ PolicyArn: boundary, VersionId: 'v9' })) },
  {
    name: 'a boundary',
    call: () =>
      iam.send(new PutRolePermissionsBoundaryCommand({ RoleName: 'agents', PermissionsBoundary: `${boundary}2` })),
  },
])('$name that is not there: NoSuchEntity, 404', async ({ call }) => {
  const error: unknown = await call().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'NoSuchEntityException', $metadata: { httpStatusCode: 404 } });
});

test("a caller's own policies decide what it may do to IAM", async () => {
  const writing = document(allow(['iam:CreatePolicyVersion', 'iam:GetPolicyVersion'], boundary));
  const revoker = iamClient(aws, aws.user('revoker', [writing]));
  expect(await errorName(create(OPEN, true, revoker))).toBeUndefined();
  expect(
    await errorName(revoker.send(new GetPolicyVersionCommand({ PolicyArn: boundary, VersionId: 'v2' }))),
  ).toBeUndefined();
  expect(await errorName(revoker.send(new DeletePolicyVersionCommand({ PolicyArn: boundary, VersionId: 'v1' })))).toBe(
    'AccessDenied',
  );
  const other = aws.managedPolicy('other', OPEN);
  expect(await errorName(revoker.send(new GetPolicyCommand({ PolicyArn: other })))).toBe('AccessDenied');
  expect(await errorName(revoker.send(new GetPolicyCommand({ PolicyArn: `${boundary}2` })))).toBe('AccessDenied');
});

test('who may put which boundary is a matter of iam:PermissionsBoundary', async () => {
  const only = document(
    allow('iam:PutRolePermissionsBoundary', '*', { StringEquals: { 'iam:PermissionsBoundary': boundary } }),
  );
  const keeper = iamClient(aws, aws.user('keeper', [only]));
  const other = aws.managedPolicy('other', OPEN);
  const put = (arn: string) =>
    keeper.send(new PutRolePermissionsBoundaryCommand({ RoleName: 'agents', PermissionsBoundary: arn }));
  expect(await errorName(put(boundary))).toBeUndefined();
  expect(await errorName(put(other))).toBe('AccessDenied');
});

test('IAM is signed for us-east-1, wherever STS is', async () => {
  const elsewhere = iamClient(aws, broker, { region: aws.region });
  expect(await errorName(elsewhere.send(new GetRoleCommand({ RoleName: 'agents' })))).toBe('SignatureDoesNotMatch');
});

describe('what was written is not seen at once', () => {
  test('by authorization', async () => {
    aws.faults.propagationMs = 4000;
    await create(CLOSED);
    expect(await versions()).toEqual(['v2*', 'v1']);
    expect(can()).toBe('allowed');
    aws.advance(3000);
    expect(can()).toBe('allowed');
    aws.advance(1000);
    expect(can()).toBe('denied');
  });

  test("by STS and IAM themselves: a boundary of the revoker's own role", async () => {
    const role = aws.role('revoker', { trust: trusting({ AWS: aws.account }), policies: [OPEN], boundary });
    const assumed = await stsClient(aws, broker).send(
      new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'revoker' }),
    );
    const revoker = iamClient(aws, keysOf(assumed.Credentials));
    aws.faults.propagationMs = 4000;
    await create(CLOSED);
    const read = () => errorName(revoker.send(new GetPolicyCommand({ PolicyArn: boundary })));
    expect(await read()).toBeUndefined();
    aws.advance(4000);
    expect(await read()).toBe('AccessDenied');
  });

  test("by IAM's reads, which do not tell what writers see", async () => {
    aws.faults.readDelayMs = 2000;
    await create(CLOSED);
    expect(can()).toBe('denied');
    expect(await versions()).toEqual(['v1*']);
    expect(await errorName(iam.send(new GetPolicyVersionCommand({ PolicyArn: boundary, VersionId: 'v2' })))).toBe(
      'NoSuchEntityException',
    );
    await iam.send(
      new PutRolePermissionsBoundaryCommand({ RoleName: 'agents', PermissionsBoundary: aws.managedPolicy('x', OPEN) }),
    );
    expect(
      (await iam.send(new GetRoleCommand({ RoleName: 'agents' }))).Role?.PermissionsBoundary?.PermissionsBoundaryArn,
    ).toBe(boundary);
    for (let n = 3; n <= 5; n++) await create(OPEN);
    expect(await errorName(create(OPEN))).toBe('LimitExceededException');
    aws.advance(2000);
    expect(await versions()).toEqual(['v5*', 'v4', 'v3', 'v2', 'v1']);
  });

  test('in the order of writing, whatever each takes', async () => {
    aws.faults.propagationMs = 5000;
    await create(CLOSED);
    aws.faults.propagationMs = 0;
    await create(OPEN);
    expect(can()).toBe('allowed');
    aws.advance(5000);
    expect(can()).toBe('allowed');
  });
});
