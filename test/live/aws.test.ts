import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreatePolicyCommand, CreateRoleCommand, GetPolicyCommand, GetPolicyVersionCommand } from '@aws-sdk/client-iam';
import { IAMClient } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { makeIds } from '../../src/domain/ids.ts';
import { aws } from '../../src/providers/aws/index.ts';
import { ALLOW_ALL, awsProfile, keysOf, memoryRecord, MONTH } from '../providers/aws-harness.ts';
import { trusting } from '../support/aws/setup.ts';

/**
 * The wire of STS and IAM against a server of somebody else's. Such servers keep policies and do not evaluate them, so what a
 * credential may do is asked of the one in test/support/aws; here it is whether they take what is sent, and keep it.
 */
const endpoint = process.env['AWS_ENDPOINT_URL'] ?? '';
const region = process.env['AWS_REGION'] ?? 'us-east-1';
const credentials = {
  accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? 'AKIALIVETESTTEST0000',
  secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? 'a-secret-of-nobody',
};
const iam = new IAMClient({ endpoint, region, credentials });
const suffix = randomBytes(4).toString('hex');
const forever = new AbortController().signal;
const ids = makeIds(randomBytes, () => Date.now());
const memory = memoryRecord(() => new Date());

const role = async (name: string, PermissionsBoundary?: string) => {
  const AssumeRolePolicyDocument = JSON.stringify(trusting({ AWS: '*' }));
  const wanted = { RoleName: `${name}-${suffix}`, AssumeRolePolicyDocument, PermissionsBoundary };
  const made = await iam.send(new CreateRoleCommand(wanted));
  return made.Role?.Arn ?? '';
};
const policy = { PolicyName: `writ-boundary-${suffix}`, PolicyDocument: JSON.stringify(ALLOW_ALL) };
const boundary = (await iam.send(new CreatePolicyCommand(policy))).Policy?.Arn ?? '';
const [agents, revoker] = [await role('invoice-agents', boundary), await role('writ-revoker')];
const config = aws.config.parse({
  region,
  endpoint,
  scoped: 'off',
  credentials: { access_key_id: credentials.accessKeyId, secret_access_key: credentials.secretAccessKey },
  revocation: { boundary_arn: boundary, revoker_role_arn: revoker, propagation: '1s' },
});
const provider = memory.watch(
  aws.create('aws-live', config, {
    clock: { now: () => new Date(), offsetMs: () => 0 },
    issuer: 'https://writ.example',
    introspectingAudiences: new Set(),
    reservedAudiences: new Set(),
    signer: { sign: () => Promise.reject(new Error('nothing is signed')) },
    readFile: () => Promise.reject(new Error('no file is read')),
    record: () => memory.record,
  }),
);
beforeAll(async () => {
  await provider.check(forever, [awsProfile({ role_arn: agents })]);
});
afterAll(() => provider.close());

const mint = async () => {
  const now = new Date();
  const names = { mint: ids.mint(), grant: ids.grant(), task: ids.task() };
  const subject = { trust: 'mesh', id: 'spiffe://dev.local/agent/live' };
  const asked = { ...names, subject, now, endsAt: new Date(now.getTime() + 600_000) };
  const plan = provider.plan(awsProfile({ role_arn: agents }), { month: MONTH }, asked);
  return { asked, plan, minted: await provider.mint(plan, forever) };
};

test('a session is made as planned, and says so itself', async () => {
  const { plan, minted } = await mint();
  const keys = keysOf(minted.credential.reveal());
  const { sessionToken = '' } = keys;
  const sts = new STSClient({ endpoint, region, credentials: { ...keys, sessionToken } });
  const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
  expect(Arn).toContain(String(plan.request['session_name']));
  expect(minted.expiresAt.getTime()).toBeLessThanOrEqual(plan.endsAt.getTime());
});

test('what was taken back stands in the boundary, read back, and is ended only then', async () => {
  const { asked, plan, minted } = await mint();
  memory.end(asked.mint);
  const record = { mint: asked.mint, grant: asked.grant, endsAt: plan.endsAt, request: plan.request };
  let ended = await provider.end(record, minted.handle, 'revocation', forever);
  expect(ended.kind).toBe('pending');
  while (ended.kind === 'pending') {
    await sleep(Math.max(100, ended.until.getTime() - Date.now()));
    ended = await provider.end(record, minted.handle, 'revocation', forever);
  }
  expect(ended.kind).toBe('ended');
  const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn: boundary }));
  const version = { PolicyArn: boundary, VersionId: Policy?.DefaultVersionId };
  const { PolicyVersion } = await iam.send(new GetPolicyVersionCommand(version));
  expect(decodeURIComponent(PolicyVersion?.Document ?? '')).toContain(asked.grant);
});

test('whoever is not there is said to be unreachable, and nothing lives', async () => {
  const away = aws.create(
    'aws-away',
    { ...config, endpoint: 'http://127.0.0.1:1' },
    {
      clock: { now: () => new Date(), offsetMs: () => 0 },
      issuer: 'https://writ.example',
      introspectingAudiences: new Set(),
      reservedAudiences: new Set(),
      signer: { sign: () => Promise.reject(new Error('nothing is signed')) },
      readFile: () => Promise.reject(new Error('no file is read')),
    },
  );
  expect(await away.check(forever, [])).toMatchObject({ healthy: false });
  await away.close();
});
