import { startIssuer, type TestIssuer } from '../support/issuer.ts';
import { AUDIENCE, makeHarness, problemsOf } from './harness.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer('RS256');
});
afterAll(() => issuer.close());

const claims = {
  aud: AUDIENCE,
  sub: 'repo:acme/shop:environment:production',
  repository: 'acme/shop',
  repository_id: '5678',
  repository_owner: 'acme',
  repository_owner_id: '1234',
  repository_visibility: 'private',
  ref: 'refs/heads/main',
  ref_type: 'branch',
  sha: 'c040cae0f0dc81641728557b80f09cfa23b83fe5',
  workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
  job_workflow_ref: 'acme/shared/.github/workflows/reusable.yml@refs/tags/v1',
  environment: 'production',
  event_name: 'push',
  actor: 'ada',
  actor_id: '1001',
  run_id: '22259804324',
  run_attempt: '1',
  runner_environment: 'github-hosted',
};
const ID = 'github:1234/5678:.github/workflows/deploy.yml@refs/heads/main';

const entry = (config: object, name = 'ci') => ({
  name,
  kind: 'github_actions',
  config: { issuer: issuer.url, ...config },
});

test('a job is known by numeric ids and its workflow', async () => {
  const harness = makeHarness([entry({ repository_owner_id: ['1234'], repository_id: ['5678'] })]);
  const token = issuer.mint(claims, { now: harness.now });
  expect(await harness.attest({ kind: 'bearer', token }, harness.now)).toMatchObject({
    id: ID,
    trust: 'ci',
    groups: [],
    attributes: { repository: 'acme/shop', environment: 'production', actor_id: '1001', run_id: '22259804324' },
  });
});

test('the id stays when owner and repository are renamed', async () => {
  const harness = makeHarness([entry({ repository_id: ['5678'] })]);
  const renamed = {
    ...claims,
    repository: 'new-owner/new-name',
    repository_owner: 'new-owner',
    workflow_ref: 'new-owner/new-name/.github/workflows/deploy.yml@refs/heads/main',
  };
  expect(await harness.outcome(issuer.mint(renamed, { now: harness.now }))).toBe(ID);
});

test.each<[string, object, object, string]>([
  ['the owner', { repository_owner_id: ['1', '1234'] }, {}, ID],
  ['the repository', { repository_id: ['5678'] }, {}, ID],
  [
    'another owner with the same names',
    { repository_owner_id: ['1234'] },
    { repository_owner_id: '99' },
    'evidence_invalid',
  ],
  ['another repository with the same names', { repository_id: ['5678'] }, { repository_id: '99' }, 'evidence_invalid'],
  [
    'the right repository of another owner',
    { repository_owner_id: ['1234'], repository_id: ['5678'] },
    { repository_owner_id: '99' },
    'evidence_invalid',
  ],
  ['an id that is a number', { repository_owner_id: ['1234'] }, { repository_owner_id: 1234 }, 'evidence_invalid'],
  ['no owner id', { repository_id: ['5678'] }, { repository_owner_id: undefined }, 'evidence_invalid'],
  ['no repository id', { repository_owner_id: ['1234'] }, { repository_id: undefined }, 'evidence_invalid'],
  ['an id that is a name', { repository_owner_id: ['1234'] }, { repository_id: 'acme/shop' }, 'evidence_invalid'],
  ['no workflow', { repository_id: ['5678'] }, { workflow_ref: undefined }, 'evidence_invalid'],
  [
    'a workflow of another branch is another workload',
    { repository_id: ['5678'] },
    { workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/pull/7/merge' },
    'github:1234/5678:.github/workflows/deploy.yml@refs/pull/7/merge',
  ],
  [
    'a workflow that a rule brings in keeps its name',
    { repository_id: ['5678'] },
    { workflow_ref: 'acme/rules/.github/workflows/scan.yml@refs/heads/main' },
    'github:1234/5678:acme/rules/.github/workflows/scan.yml@refs/heads/main',
  ],
  ['a claim that is no text', { repository_id: ['5678'] }, { environment: ['production'] }, 'evidence_invalid'],
])('%s', async (_what, config, members, want) => {
  const harness = makeHarness([entry(config)]);
  expect(await harness.outcome(issuer.mint({ ...claims, ...members }, { now: harness.now }))).toBe(want);
});

test('several entries share one issuer: the first that accepts wins, whatever the others say', async () => {
  const harness = makeHarness([
    entry({ repository_owner_id: ['1'] }, 'first'),
    entry({ repository_owner_id: ['1234'] }, 'second'),
    entry({ repository_id: ['5678'] }, 'third'),
  ]);
  const trustOf = async (members: object) => {
    const token = issuer.mint({ ...claims, ...members }, { now: harness.now });
    return (await harness.attest({ kind: 'bearer', token }, harness.now)).trust;
  };
  expect(await trustOf({})).toBe('second');
  expect(await trustOf({ repository_owner_id: '1' })).toBe('first');
  expect(await trustOf({ repository_owner_id: '7' })).toBe('third');
  const expired = issuer.mint({ ...claims, exp: 1 }, { now: harness.now });
  expect(await harness.outcome(expired)).toBe('evidence_expired');
  const nobody = issuer.mint({ ...claims, repository_owner_id: '7', repository_id: '7' }, { now: harness.now });
  expect(await harness.outcome(nobody)).toBe('evidence_invalid');
});

test.each<[string, object, RegExp]>([
  ['all of GitHub', {}, /^: needs repository_owner_id or repository_id: without them all of GitHub/],
  ['an empty list', { repository_id: [] }, /^repository_id: must name an id/],
  ['a number', { repository_id: [5678] }, /^repository_id.0: must be text: write ids in quotes/],
  ['a name', { repository_owner_id: ['acme'] }, /^repository_owner_id.0: must be a numeric id, not a name/],
  ['a leading zero', { repository_owner_id: ['01'] }, /^repository_owner_id.0: must be a numeric id/],
  ['one id without a list', { repository_owner_id: '1234' }, /^repository_owner_id: /],
  ['an unknown key', { repository_id: ['1'], repository: 'acme/shop' }, /repository/],
])('configuration: %s', (_what, config, message) => {
  expect(problemsOf('github_actions', config)).toEqual([expect.stringMatching(message)]);
});

test('configuration: the issuer is GitHub’s unless it is given', () => {
  expect(problemsOf('github_actions', { repository_id: ['5678'] })).toEqual([]);
  const harness = makeHarness([{ kind: 'github_actions', config: { repository_id: ['5678'] } }]);
  const payload = { iss: 'https://token.actions.githubusercontent.com' };
  expect(harness.attesters[0]?.claims({ raw: '', header: {}, payload })).toBe(true);
});
