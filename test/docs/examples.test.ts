import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { attesterKinds } from '../../src/attesters/index.ts';
import { operatorTrustSchema } from '../../src/attesters/operators.ts';
import { freshSchema, loadSettings, parseQuestion, readCases } from '../../src/config/index.ts';
import { readProfile } from '../../src/config/profile.ts';
import type { Json } from '../../src/domain/json.ts';
import type { Profile } from '../../src/domain/profile.ts';
import { makeCedarCompiler, testPolicies } from '../../src/policy/index.ts';
import { providerKinds } from '../../src/providers/index.ts';
import { allPages, blocksOf, readPage } from './pages.ts';
import type { Block } from './pages.ts';

/**
 * What pages show can be copied: each block of YAML that begins with its file's name is read as that file, each block of
 * Cedar is compiled, each of JSON is JSON.
 */
interface Example extends Block {
  readonly page: string;
  /** Of a comment on the first line, such as `profiles/refund-submit.yaml`. */
  readonly file: string;
}

const examples = (
  await Promise.all(
    (await allPages()).map(async (page) =>
      blocksOf(await readPage(page)).map((block): Example => ({
        ...block,
        page,
        file: /^# ([\w./-]+\.yaml)\n/.exec(block.text)?.[1] ?? '',
      })),
    ),
  )
).flat();

/** The rules on pages of stories are loaded by the stories themselves, all of a page together: test/stories/page.ts. */
const isTold = ({ page, text }: Example) =>
  page.startsWith('docs/stories/') && /^(#|\/\/) (profiles|tools|policies)\//.test(text);
const shown = examples.filter((example) => !isTold(example));
const of = (language: string) => shown.filter((example) => example.language === language);
const named = (pattern: RegExp) => of('yaml').filter(({ file }) => pattern.test(file));
const PROVIDERS = [
  { name: 'aws-main', kind: 'aws', on: true },
  { name: 'orders-db', kind: 'postgres', on: true },
  { name: 'tools', kind: 'jwt', on: true },
  { name: 'vault-main', kind: 'vault', on: true },
];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'writ-docs-'));
});
afterAll(() => rm(directory, { recursive: true }));

test('there are examples of each sort', () => {
  expect(named(/^writ\.yaml$/).length).toBeGreaterThan(5);
  expect(named(/^profiles\//).length).toBeGreaterThan(2);
  expect(named(/^cases\//)).toHaveLength(1);
  expect(of('cedar').length).toBeGreaterThan(4);
});

test.each(named(/^writ\.yaml$/))('writ.yaml of $page:$line', async ({ text }) => {
  await writeFile(join(directory, 'writ.yaml'), text);
  const kek = randomBytes(32).toString('base64');
  for (const file of ['tls.pem', 'tls-key.pem', 'kek']) await writeFile(join(directory, file), kek);
  const settings = await loadSettings({
    directory,
    env: {
      WRIT_KEK: kek,
      DATABASE_URL: 'postgres://a:b@c/d',
      ORDERS_DB_URL: 'postgres://a:b@c/d',
      VAULT_ROLE_ID: 'role',
    },
    attesterKinds,
    providerKinds,
    operatorTrustSchema,
    production: true,
  });
  expect(settings.directory).toBe(directory);
});

function profileOf({ file, text }: Example): Profile {
  const { profile, problems } = readProfile(file, text, PROVIDERS, providerKinds);
  if (!profile) throw new Error(problems.map(({ message }) => message).join('; '));
  return profile;
}

test.each(named(/^profiles\//))('$file of $page:$line', (example) => {
  expect(`profiles/${profileOf(example).name}.yaml`).toBe(example.file);
});

test('the policies, and the cases that they answer', async () => {
  const profiles = named(/^profiles\//).filter(({ page }) => page === 'docs/policies.md');
  const files = Object.fromEntries(profiles.map(({ file, text }) => [file, text]));
  const policyCompiler = makeCedarCompiler();
  const schema = freshSchema(files, { providers: PROVIDERS, providerKinds, policyCompiler });
  const cedar = of('cedar').map(({ page, line, text }) => [`${page}:${line}.cedar`, text] as const);
  const rules = {
    profiles: new Map(profiles.map((example) => [profileOf(example).name, profileOf(example)])),
    policies: policyCompiler.compile(Object.fromEntries(cedar), schema),
    off: new Set<string>(),
  };
  await mkdir(join(directory, 'cases'));
  for (const { file, text } of named(/^cases\//)) await writeFile(join(directory, file), text);
  const results = testPolicies(rules, await readCases(join(directory, 'cases')), new Date());
  expect(results.map(({ differences }) => differences)).toEqual([[]]);
});

test.each(of('yaml').filter(({ file }) => file === ''))('YAML of $page:$line', ({ text }) => {
  expect(parse(text)).toBeInstanceOf(Object);
});

test.each(of('json'))('JSON of $page:$line', ({ page, text }) => {
  const value = JSON.parse(text) as Json;
  expect(value).toBeInstanceOf(Object);
  if (page !== 'docs/policies.md') return;
  if (typeof value === 'object' && value !== null && 'principal' in value) parseQuestion(value, 'request.json');
});

test('every block says what it is in', () => {
  const known = ['', 'sh', 'sql', 'text', 'json', 'yaml', 'cedar', 'ts', 'hcl'];
  expect(examples.filter(({ language }) => !known.includes(language))).toEqual([]);
});
