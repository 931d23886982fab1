import { createHmac } from 'node:crypto';
import {
  AssumeRoleWithWebIdentityCommand,
  STSClient,
  type AssumeRoleWithWebIdentityCommandInput,
} from '@aws-sdk/client-sts';
import { startFakeAws, type FakeAws } from './aws/index.ts';
import { allow, document, errorName, keysOf, trusting } from './aws/setup.ts';
import { base64url, makeTestKey, startIssuer, type TestIssuer } from './issuer.ts';

const OBJECT = 'arn:aws:s3:::inv/a';
const WEB = ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession', 'sts:SetSourceIdentity'];
let issuer: TestIssuer;
let aws: FakeAws;
let provider: string;

beforeAll(async () => {
  issuer = await startIssuer('ES256');
});
afterAll(() => issuer.close());
beforeEach(async () => {
  aws = await startFakeAws();
  const audiences = ['sts.amazonaws.com', 'second'];
  provider = aws.oidc(issuer.url, { audiences, jwks: () => JSON.parse(issuer.jwks()) as unknown });
});
afterEach(() => aws.close());

const broker = (condition?: object, actions = WEB) =>
  aws.role('broker', {
    trust: trusting({ Federated: provider }, condition, actions),
    policies: [document(allow('s3:Get*', 'arn:aws:s3:::inv/${aws:PrincipalTag/team}*'))],
  });
const subject = (sub: string, aud = 'sts.amazonaws.com') => ({
  StringEquals: { [`${issuer.host}:sub`]: sub, [`${issuer.host}:aud`]: aud },
});
const mint = (claims: object = {}, options?: Parameters<TestIssuer['mint']>[1]) =>
  issuer.mint({ aud: 'sts.amazonaws.com', sub: 'writ', ...claims }, options);

function assume(token: string, input: Partial<AssumeRoleWithWebIdentityCommandInput> = {}) {
  const client = new STSClient({ endpoint: aws.url, region: aws.region, maxAttempts: 1 });
  const RoleArn = 'arn:aws:iam::123456789012:role/broker';
  return client.send(
    new AssumeRoleWithWebIdentityCommand({ RoleArn, RoleSessionName: 'broker-1', WebIdentityToken: token, ...input }),
  );
}

test('a token of a registered issuer becomes a session, without any key', async () => {
  const role = broker(subject('writ'));
  const answer = await assume(mint({ 'https://aws.amazon.com/tags': { principal_tags: { team: ['a'] } } }));
  expect(answer).toMatchObject({
    SubjectFromWebIdentityToken: 'writ',
    Audience: 'sts.amazonaws.com',
    Provider: provider,
    AssumedRoleUser: { Arn: 'arn:aws:sts::123456789012:assumed-role/broker/broker-1' },
  });
  expect(aws.can(keysOf(answer.Credentials), 's3:GetObject', OBJECT)).toBe('allowed');
  expect(aws.sessions).toMatchObject([{ role, tags: { team: 'a' }, depth: 0 }]);
  expect(aws.calls.at(-1)).toMatchObject({ action: 'AssumeRoleWithWebIdentity', status: 200, who: undefined });
  expect(aws.calls.at(-1)?.params['WebIdentityToken']).toBe('not kept');
});

test('tags and source identity ride in its claims', async () => {
  broker();
  const tags = { principal_tags: { 'writ:grant': ['g1'], team: ['x'] }, transitive_tag_keys: ['writ:grant'] };
  const claims = { 'https://aws.amazon.com/tags': tags, 'https://aws.amazon.com/source_identity': 'agent-7' };
  expect((await assume(mint(claims))).SourceIdentity).toBe('agent-7');
  expect(aws.sessions[0]).toMatchObject({
    tags: { 'writ:grant': 'g1', team: 'x' },
    transitiveTagKeys: ['writ:grant'],
    sourceIdentity: 'agent-7',
  });
});

test.each<{ name: string; claims: object }>([
  { name: 'two values of a tag', claims: { principal_tags: { a: ['1', '2'] } } },
  { name: 'a tag that is no list', claims: { principal_tags: { a: '1' } } },
  { name: 'tags that are a text', claims: { principal_tags: 'a' } },
])('refuses $name', async ({ claims }) => {
  broker();
  expect(await errorName(assume(mint({ 'https://aws.amazon.com/tags': claims })))).toBe(
    'InvalidIdentityTokenException',
  );
});

describe('trust', () => {
  test.each<{ name: string; condition?: object; actions?: string[]; claims?: object; want: string | undefined }>([
    { name: 'the subject', condition: { StringLike: { SUB: 'wr*' } }, want: undefined },
    { name: 'another subject', condition: { StringEquals: { SUB: 'else' } }, want: 'AccessDenied' },
    {
      name: 'another audience than this role wants',
      condition: { StringEquals: { AUD: 'second' } },
      want: 'AccessDenied',
    },
    {
      name: 'the second audience',
      condition: { StringEquals: { AUD: 'second' } },
      claims: { aud: ['other', 'second'] },
      want: undefined,
    },
    { name: 'the session name', condition: { StringLike: { 'sts:RoleSessionName': 'broker-?' } }, want: undefined },
    { name: 'another action', actions: ['sts:AssumeRole'], want: 'AccessDenied' },
    {
      name: 'tags without sts:TagSession',
      actions: WEB.slice(0, 1),
      claims: { 'https://aws.amazon.com/tags': { principal_tags: { a: ['1'] } } },
      want: 'AccessDenied',
    },
    {
      name: 'a source identity without its action',
      actions: WEB.slice(0, 2),
      claims: { 'https://aws.amazon.com/source_identity': 'me' },
      want: 'AccessDenied',
    },
  ])('$name: $want', async ({ condition, actions, claims, want }) => {
    const text = JSON.stringify(condition ?? null);
    const named = text.replace('SUB', `${issuer.host}:sub`).replace('AUD', `${issuer.host}:aud`);
    const parsed = JSON.parse(named) as object | null;
    broker(parsed ?? undefined, actions ?? WEB);
    expect(await errorName(assume(mint(claims)))).toBe(want);
  });

  test('an account or everyone named is not a provider', async () => {
    aws.role('broker', { trust: trusting('*', undefined, ['sts:*']), policies: [] });
    expect(await errorName(assume(mint()))).toBe('AccessDenied');
  });
});

const seconds = () => Math.floor(Date.now() / 1000);

describe('tokens that are not taken', () => {
  test.each<{ name: string; token: () => string; want: string }>([
    { name: 'no token', token: () => 'abcd', want: 'InvalidIdentityTokenException' },
    {
      name: 'a token without a signature',
      token: () => mint().replace(/\.[^.]*$/, '.'),
      want: 'InvalidIdentityTokenException',
    },
    { name: 'a forged signature', token: () => `${mint().slice(0, -4)}AAAA`, want: 'InvalidIdentityTokenException' },
    {
      name: "another issuer's",
      token: () => mint({ iss: 'https://else.example' }),
      want: 'InvalidIdentityTokenException',
    },
    {
      name: 'another key of the same name',
      token: () => mint({}, { key: makeTestKey('key-1') }),
      want: 'InvalidIdentityTokenException',
    },
    {
      name: 'a key that is not published',
      token: () => mint({}, { key: makeTestKey('key-9') }),
      want: 'InvalidIdentityTokenException',
    },
    { name: 'another audience', token: () => mint({ aud: 'else' }), want: 'InvalidIdentityTokenException' },
    { name: 'no audience', token: () => mint({ aud: undefined }), want: 'InvalidIdentityTokenException' },
    { name: 'no subject', token: () => mint({ sub: undefined }), want: 'InvalidIdentityTokenException' },
    { name: 'no end', token: () => mint({ exp: undefined }), want: 'InvalidIdentityTokenException' },
    { name: 'not yet', token: () => mint({ nbf: seconds() + 60 }), want: 'InvalidIdentityTokenException' },
    { name: 'over', token: () => mint({ exp: seconds() }), want: 'ExpiredTokenException' },
    {
      name: 'algorithm none',
      token: () => mint({}, { header: { alg: 'none' } }),
      want: 'InvalidIdentityTokenException',
    },
    {
      name: 'algorithm RS256 with an ES256 key',
      token: () => mint({}, { header: { alg: 'RS256' } }),
      want: 'InvalidIdentityTokenException',
    },
    {
      name: 'the public key as a secret',
      token: () => {
        const input = `${base64url('{"alg":"HS256","kid":"key-1"}')}.${mint().split('.')[1] ?? ''}`;
        return `${input}.${createHmac('sha256', issuer.jwks()).update(input).digest('base64url')}`;
      },
      want: 'InvalidIdentityTokenException',
    },
  ])('$name: $want', async ({ token, want }) => {
    broker();
    expect(await errorName(assume(token()))).toBe(want);
    expect(aws.sessions).toEqual([]);
  });

  test('ends by the clock of the server', async () => {
    broker();
    const token = mint();
    expect(await errorName(assume(token))).toBeUndefined();
    aws.advance(301_000);
    expect(await errorName(assume(token))).toBe('ExpiredTokenException');
  });

  test('an issuer that cannot be reached', async () => {
    aws.oidc(issuer.url, {
      audiences: ['sts.amazonaws.com'],
      jwks: () => {
        throw new Error('down');
      },
    });
    broker();
    expect(await errorName(assume(mint()))).toBe('IDPCommunicationErrorException');
  });

  test('a life past the maximum of the role, or a session name that is none', async () => {
    broker();
    expect(await errorName(assume(mint(), { DurationSeconds: 3601 }))).toBe('ValidationError');
    expect(await errorName(assume(mint(), { DurationSeconds: 899 }))).toBe('ValidationError');
    expect(await errorName(assume(mint(), { RoleSessionName: 'a b' }))).toBe('ValidationError');
  });
});

test('an RSA key signs as well', async () => {
  const own = await startIssuer('RS256');
  const arn = aws.oidc(own.url, { audiences: ['a'], jwks: () => JSON.parse(own.jwks()) as unknown });
  aws.role('broker', { trust: trusting({ Federated: arn }, undefined, WEB), policies: [] });
  expect(await errorName(assume(own.mint({ aud: 'a' })))).toBeUndefined();
  await own.close();
});
