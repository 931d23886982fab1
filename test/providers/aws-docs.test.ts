import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { makeIds } from '../../src/domain/ids.ts';
import { aws } from '../../src/providers/aws/index.ts';
import { startFakeAws, type FakeAws } from '../support/aws/index.ts';
import { awsProfile, INVOICE, keysOf, memoryRecord, MONTH, NEXT_MONTH } from './aws-harness.ts';

/** The Terraform of docs/providers/aws.md, built in the AWS of these tests to the letter: it is enough, and no more than that. */
const page = await readFile(new URL('../../docs/providers/aws.md', import.meta.url), 'utf8');
const ACCOUNT = '123456789012';
const NAMES: Readonly<Record<string, string>> = {
  'var.broker_arn': `arn:aws:iam::${ACCOUNT}:user/writ-broker`,
  'aws_iam_policy.boundary.arn': `arn:aws:iam::${ACCOUNT}:policy/writ-boundary`,
  'aws_iam_role.invoice_agents.arn': `arn:aws:iam::${ACCOUNT}:role/invoice-agents`,
  'aws_iam_role.revoker.arn': `arn:aws:iam::${ACCOUNT}:role/writ-revoker`,
  'aws_iam_role.probe.arn': `arn:aws:iam::${ACCOUNT}:role/writ-probe`,
};

/** The JSON of a member of a resource, with what Terraform would fill in. */
function json(resource: string, member: string): object {
  const block = new RegExp(`resource "${resource.replace('.', '" "')}" \\{\\n([\\s\\S]*?)\\n\\}`).exec(page)?.[1] ?? '';
  const written = new RegExp(`  ${member} += <<-JSON\\n([\\s\\S]*?)\\n  JSON`).exec(block)?.[1] ?? '';
  const filled = written.replace(/\$\{([^}]+)\}/g, (_all, name: string) => NAMES[name] ?? `no ${name}`);
  return JSON.parse(filled) as object;
}

async function built(options: { readonly without?: string } = {}) {
  const fake: FakeAws = await startFakeAws();
  const policy = (resource: string) => {
    const { Statement, ...rest } = json(resource, 'policy') as { Statement: { Action: string | string[] }[] };
    const keep = Statement.map((statement) => ({
      ...statement,
      Action: [statement.Action].flat().filter((action) => action !== options.without),
    })).filter(({ Action }) => Action.length > 0);
    return keep.length === 0 ? [] : [{ ...rest, Statement: keep }];
  };
  const broker = fake.user('writ-broker', policy('aws_iam_role_policy.broker'));
  const boundary = fake.managedPolicy('writ-boundary', json('aws_iam_policy.boundary', 'policy'));
  const trust = (resource: string) => json(resource, 'assume_role_policy');
  const role = (name: string, resource: string, bounded: boolean) =>
    fake.role(name, {
      trust: trust(resource),
      policies: policy(resource.replace('aws_iam_role.', 'aws_iam_role_policy.')),
      ...(bounded && { boundary }),
    });
  role('writ-revoker', 'aws_iam_role.revoker', false);
  role('writ-probe', 'aws_iam_role.probe', true);
  role('invoice-agents', 'aws_iam_role.invoice_agents', true);
  const ledger = memoryRecord(fake.now);
  const make = (scoped: string) =>
    ledger.watch(
      aws.create(
        'aws-main',
        aws.config.parse({
          region: fake.region,
          endpoint: fake.url,
          credentials: { access_key_id: broker.accessKeyId, secret_access_key: broker.secretAccessKey },
          scoped,
          revocation: {
            boundary_arn: NAMES['aws_iam_policy.boundary.arn'],
            revoker_role_arn: NAMES['aws_iam_role.revoker.arn'],
            probe_role_arn: NAMES['aws_iam_role.probe.arn'],
            propagation: '1s',
          },
        }),
        {
          clock: { now: fake.now, offsetMs: () => 0 },
          issuer: 'https://writ.example',
          introspectingAudiences: new Set(),
          reservedAudiences: new Set(),
          signer: { sign: () => Promise.reject(new Error('nothing is signed')) },
          readFile: () => Promise.reject(new Error('no file is read')),
          record: () => ledger.record,
        },
      ),
    );
  return { fake, ledger, make };
}
const forever = new AbortController().signal;
const profile = awsProfile({ external_id: undefined });

test.each(['on', 'off'])('it is enough, scoped: %s', async (scoped) => {
  const { fake, ledger, make } = await built();
  const provider = make(scoped);
  expect(await provider.check(forever, [profile])).toEqual({ healthy: true, findings: [] });
  const ids = makeIds(randomBytes, () => fake.now().getTime());
  const now = new Date(Math.floor(fake.now().getTime() / 1000) * 1000);
  const request = {
    mint: ids.mint(),
    grant: ids.grant(),
    task: ids.task(),
    subject: { trust: 'mesh', id: 'a' },
    now,
    endsAt: new Date(now.getTime() + 600_000),
  };
  const plan = provider.plan(profile, { month: MONTH }, request);
  const { credential, handle } = await provider.mint(plan, forever);
  const keys = keysOf(credential.reveal());
  expect(fake.can(keys, 's3:GetObject', INVOICE)).toBe('allowed');
  expect(fake.can(keys, 's3:GetObject', NEXT_MONTH)).toBe('denied');
  ledger.end(request.mint);
  const record = { mint: request.mint, grant: request.grant, endsAt: plan.endsAt, request: plan.request };
  await provider.end(record, handle, 'revocation', forever);
  expect(fake.can(keys, 's3:GetObject', INVOICE)).toBe('denied');
  await provider.close();
  await fake.close();
});

test.each([
  ['iam:GetPolicy', ['revoker_refused']],
  ['iam:GetPolicyVersion', ['revoker_refused']],
  ['iam:ListPolicyVersions', ['revoker_refused']],
  ['iam:CreatePolicyVersion', ['revoker_refused']],
  ['iam:GetRole', ['role_not_readable']],
  ['sts:GetScopedCredentials', ['children_refused']],
  ['sts:DecodeAuthorizationMessage', ['probe_refused']],
])('and no more: without %s', async (without, want) => {
  const { fake, make } = await built({ without });
  const provider = make('on');
  const { findings } = await provider.check(forever, [profile]);
  expect(findings.map(({ code }) => code).sort()).toEqual([...want].sort());
  await provider.close();
  await fake.close();
});

test('nobody else’s sessions: the role’s trust policy knows Writ’s names alone', () => {
  const { Statement: statements } = json('aws_iam_role.invoice_agents', 'assume_role_policy') as {
    Statement: object[];
  };
  expect(statements).toMatchObject([{ Condition: { StringLike: { 'sts:RoleSessionName': 'writ-*' } } }]);
});
