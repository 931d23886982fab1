import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPolicyExplain } from '../../src/policy-commands.ts';

/** `writ policy explain` on the sample configuration, with its AWS and its Vault on: what would be asked, exactly. */
const config = fileURLToPath(new URL('../../config', import.meta.url));
const ENV = {
  DATABASE_URL: 'postgres://a:b@127.0.0.1:1/writ',
  ORDERS_DB_URL: 'postgres://a:b@127.0.0.1:1/orders',
  WRIT_KEK: Buffer.alloc(32).toString('base64'),
  WRIT_AWS_REGION: 'eu-west-1',
  VAULT_ADDR: 'http://127.0.0.1:1',
  VAULT_TOKEN: 'nobody-asks',
};
const NOW = '2026-11-25T12:00:00Z';
const ASKED = { principal: { trust: 'dev', id: 'spiffe://dev.local/agent/demo' }, purpose: 'look it up', now: NOW };
const INVOICES = { profile: 'invoices-read', parameters: { month: '2026-11' } };

let directory: string;
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'writ-explain-'))));
afterAll(() => rm(directory, { recursive: true }));

async function explained(request: object, { json = true, env = {} }: { json?: boolean; env?: object } = {}) {
  const file = join(directory, 'request.json');
  await writeFile(file, JSON.stringify({ ...ASKED, ...request }));
  const lines: string[] = [];
  expect(await runPolicyExplain({ file, config, json }, { ...ENV, ...env }, (line) => lines.push(line))).toBe(0);
  return lines;
}
const bodyOf = async (...args: Parameters<typeof explained>) =>
  JSON.parse((await explained(...args)).join('\n')) as { plan?: { request: Record<string, unknown> } };

const POLICY = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::inv/2026-11/*' },
    { Effect: 'Deny', Action: 'sts:*', Resource: '*' },
    {
      Effect: 'Deny',
      Action: '*',
      Resource: '*',
      Condition: { DateGreaterThanEquals: { 'aws:CurrentTime': '2026-11-25T12:05:00Z' } },
    },
  ],
};
const elsewhere = { env: { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' } };

test('an AWS session: policy, tags and duration as they would be sent', async () => {
  const { plan } = await bodyOf(INVOICES, elsewhere);
  expect(plan).toMatchObject({
    ends_at: '2026-11-25T12:05:00.000Z',
    revocability: { mode: 'expiry_only' },
    request: {
      mode: 'session',
      assume_role: {
        RoleArn: 'arn:aws:iam::123456789012:role/invoice-agents',
        DurationSeconds: 900,
        Policy: JSON.stringify(POLICY),
        Tags: [
          { Key: 'writ:grant', Value: 'g000000000000' },
          { Key: 'writ:task', Value: 't000000000000000000000' },
          { Key: 'team', Value: 'payments' },
        ],
        TransitiveTagKeys: ['writ:grant', 'writ:task'],
      },
    },
  });
});

test('short children, where AWS itself is asked; the wire’s names', async () => {
  const { plan } = await bodyOf(INVOICES);
  expect(plan).toMatchObject({
    revocability: { mode: 'bounded', within_seconds: 300 },
    request: { mode: 'child', child: { DurationSeconds: 302 } },
  });
});

test('a Vault token has the time that was decided, not that less what explaining took', async () => {
  const { plan } = await bodyOf({ profile: 'settings-read', now: undefined });
  expect(plan).toMatchObject({
    revocability: { mode: 'immediate' },
    request: { token_role: 'agents', token: { policies: ['settings-read'], ttl: '30s', explicit_max_ttl: '300s' } },
  });
});

test('for people: a member a line, and the policy laid out', async () => {
  const lines = await explained(INVOICES, { json: false, ...elsewhere });
  expect(lines.slice(0, 2)).toEqual(['outcome      allow', 'policies     ["dev-agents-read"]']);
  const at = lines.indexOf('plan:');
  expect(lines.slice(at, at + 4)).toEqual(['plan:', '  request:', '    mode: session', '    region: eu-west-1']);
  const start = lines.indexOf('      Policy: |-') + 1;
  const policy = lines.slice(start, lines.indexOf('        }', start) + 1);
  expect(JSON.parse(policy.join('\n'))).toEqual(POLICY);
});

test.each([
  ['a value that the profile does not take', { ...INVOICES, parameters: { month: '2026-*' } }, {}],
  ['a provider that is off', INVOICES, { env: { WRIT_AWS_REGION: '' } }],
  ['nobody’s purpose', { ...INVOICES, purpose: '' }, {}],
])('%s: there is nothing to ask', async (_name, request, options) => {
  const body = await bodyOf(request, options);
  expect(body).toMatchObject({ outcome: 'deny' });
  expect(body.plan).toBeUndefined();
});
