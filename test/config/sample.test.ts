import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { attesterKinds } from '../../src/attesters/index.ts';
import { operatorTrustSchema } from '../../src/attesters/operators.ts';
import {
  compileRules,
  loadSettings,
  parseQuestion,
  readCases,
  readRules,
  readRulesPlace,
} from '../../src/config/index.ts';
import { caseProblems, explain, makeCedarCompiler, testPolicies } from '../../src/policy/index.ts';
import { providerKinds } from '../../src/providers/index.ts';
import { problemsOf } from './problems.ts';

/** The sample configuration is what a stranger meets first: it is held against the real kinds. */
const directory = fileURLToPath(new URL('../../config', import.meta.url));
const now = new Date('2026-11-23T12:00:00Z');

const source = { directory, attesterKinds, providerKinds, operatorTrustSchema };
const env = {
  DATABASE_URL: 'postgres://writ:x@127.0.0.1:5432/writ',
  ORDERS_DB_URL: 'postgres://issuer:x@127.0.0.1:5433/orders',
  WRIT_KEK: randomBytes(32).toString('base64'),
};
const trust = [
  { name: 'dev', kind: 'spiffe', trust_domain: 'dev.local', bundle: { file: 'bundle.json' }, development: true },
];

async function sampleRules() {
  const { rulesDirectory, providers } = await readRulesPlace(directory, {});
  const files = await readRules(rulesDirectory);
  return compileRules(files, { providers, providerKinds, policyCompiler: makeCedarCompiler() });
}

test('loads with what the embedded default adds', async () => {
  const settings = await loadSettings({ ...source, env: {}, overlay: { env, trust } });
  expect(settings.providers).toMatchObject([
    { name: 'orders-db', kind: 'postgres', on: true },
    { name: 'tools', kind: 'jwt', on: true },
    { name: 'aws-main', kind: 'aws', on: false },
    { name: 'vault-main', kind: 'vault', on: false },
  ]);
  expect(settings.server).toMatchObject({ host: '127.0.0.1', port: 8080 });
  expect(settings.server).not.toHaveProperty('publicUrl');
  expect((await loadSettings({ ...source, env: { PORT: '0' }, overlay: { env, trust } })).server.port).toBe(0);
});

test('without it says what is missing, and that nobody vouches for the sample client', async () => {
  const problems = await problemsOf(() => loadSettings({ ...source, env: {} }));
  expect(problems.map((problem) => problem.replace(/^.*writ\.yaml:\d+ /, ''))).toEqual([
    'database.url needs the environment variable DATABASE_URL, which is not set',
    'providers.orders-db.url needs the environment variable ORDERS_DB_URL, which is not set',
    'clients.orders-gateway.trust "dev" is not the name of an entry of identity.trust',
    'keys.encryption[0].key needs the environment variable WRIT_KEK, which is not set',
  ]);
});

test('has each provider on a line of its own, kind first', async () => {
  const text = await readFile(`${directory}/writ.yaml`, 'utf8');
  const section = /^providers:\n((?: {2}.*\n)+)/m.exec(text)?.[1] ?? '';
  expect(section.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^ {2}orders-db: \{ kind: postgres, .*\}$/),
    expect.stringMatching(/^ {2}tools: \{ kind: jwt \}$/),
    expect.stringMatching(/^ {2}aws-main: \{ kind: aws, when: .*\}$/),
    expect.stringMatching(/^ {2}vault-main: \{ kind: vault, when: .*\}$/),
  ]);
});

test('has rules that check, and cases that pass', async () => {
  const rules = await sampleRules();
  expect([...rules.profiles.keys()]).toEqual([
    ...['invoices-read', 'orders-read', 'settings-read', 'tools-refund-read', 'tools-refund-submit'],
  ]);
  const results = testPolicies(rules, await readCases(`${directory}/cases`), now);
  expect(results.length).toBeGreaterThan(5);
  expect(caseProblems(results)).toEqual([]);
});

test.each(['postgres', 'jwt'])(
  'the first profile of kind %s is for every agent that states a purpose',
  async (kind) => {
    const rules = await sampleRules();
    const { providers } = await readRulesPlace(directory, {});
    const names = new Set(providers.filter((provider) => provider.kind === kind).map(({ name }) => name));
    const first = [...rules.profiles.values()].find(({ provider }) => names.has(provider));
    if (!first) throw new Error('no profile');
    expect(first.parameters).toEqual({});
    const ask = (id: string, purpose: string) =>
      explain(rules, parseQuestion({ principal: { trust: 'dev', id }, profile: first.name, purpose }, 'test'), now)
        .outcome;
    expect(ask('spiffe://dev.local/agent/anybody', 'something')).toBe('allow');
    expect(ask('spiffe://dev.local/agent/any/body', 'x')).toBe('allow');
    expect(ask('spiffe://dev.local/agent/anybody', '')).toBe('deny');
    expect(ask('spiffe://dev.local/service/x', 'something')).toBe('deny');
  },
);
