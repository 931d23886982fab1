import { operatorTrustSchema } from '../../src/attesters/operators.ts';
import { attesterKinds } from '../../src/attesters/index.ts';
import { caseEntry } from '../../src/config/cases.ts';
import { profileMembers } from '../../src/config/profile.ts';
import { operatorEntry, providerEntry, trustEntry, writYaml } from '../../src/config/settings-schema.ts';
import { providerKinds } from '../../src/providers/index.ts';
import { membersOf, sorted, writtenMembers } from './members.ts';
import { readPage, sectionOf, sectionsOf } from './pages.ts';

/** Every member of every file that people write is on its page, with its default, and the pages have no other. */
const configuration = await readPage('docs/configuration.md');
const policies = await readPage('docs/policies.md');

/** The headings of configuration.md under which the members of `writ.yaml` itself stand. */
const WHOLE = [
  'Where it listens',
  'The ledger',
  'Whose word counts on workloads',
  'Who may look, revoke and apply',
  'The systems that credentials are made for',
  'Who may ask about others',
  'What wraps the signing keys',
  'Limits',
  'Tasks',
  'Approvals',
  'The sealed log',
  'What may be fetched',
  'Where the rules are',
];

test('writ.yaml', () => {
  const written = WHOLE.flatMap((heading) => writtenMembers(sectionOf(configuration, heading), 2));
  expect(sorted(written)).toEqual(sorted(membersOf(writYaml)));
});

const onPage = (page: string, heading: string, column: number) =>
  sorted(writtenMembers(sectionOf(page, heading), column));

test('what entries share', () => {
  expect(onPage(configuration, 'Every trust entry', 2)).toEqual(sorted(membersOf(trustEntry)));
  expect(onPage(configuration, 'Every provider', 2)).toEqual(sorted(membersOf(providerEntry)));
  const development = membersOf(operatorEntry).filter(({ path }) => path === 'development');
  expect(onPage(configuration, 'Every entry of `operators.trust`', 2)).toEqual(
    sorted([...membersOf(operatorTrustSchema), ...development]),
  );
});

test.each(attesterKinds.map(({ kind, config }) => ({ kind, config })))('trust entries of kind $kind', (entry) => {
  expect(onPage(configuration, `Kind \`${entry.kind}\``, 2)).toEqual(sorted(membersOf(entry.config)));
});

test.each(providerKinds.map(({ kind, config, section }) => ({ kind, config, section })))(
  'providers of kind $kind',
  async ({ kind, config, section }) => {
    expect(onPage(configuration, `Provider kind \`${kind}\``, 2)).toEqual(sorted(membersOf(config)));
    const page = await readPage(`docs/providers/${kind}.md`);
    expect(onPage(page, 'Profile', 2)).toEqual(sorted(membersOf(section)));
  },
);

test('there is no heading for a kind that does not exist', () => {
  const headings = sectionsOf(configuration).map(({ heading }) => heading);
  const kinds = headings.filter((heading) => /^(Provider k|K)ind `/.test(heading));
  expect(kinds).toHaveLength(attesterKinds.length + providerKinds.length);
});

test('a profile', () => {
  expect(onPage(policies, 'Members of a profile', 2)).toEqual(sorted(membersOf(profileMembers)));
});

test('a case', () => {
  expect(onPage(policies, 'Members of a case', 1)).toEqual(sorted(membersOf(caseEntry)));
});
