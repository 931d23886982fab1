import { approvalRules, LIMITED, PEOPLE_TOO } from '../support/approval-rules.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';
import { openStation } from './harness.ts';
import type { Station } from './harness.ts';

/** Approvals and exceptions from the command line, on a broker that is real: both sides of them. */
let broker: RunningBroker;
let station: Station;
let agent: Station;
beforeAll(async () => {
  broker = await startRunningBroker({
    rulesOf: ({ readonly }) => approvalRules(readonly),
    settings: { identity: PEOPLE_TOO, operators: LIMITED },
  });
});
afterAll(() => broker.close());
beforeEach(() => {
  station = openStation();
  agent = openStation();
});
afterEach(() => {
  station.close();
  agent.close();
});

const operator = (
  argv: readonly string[],
  role: 'platform' | 'security' | 'approver' | 'auditor' = 'approver',
  subject?: string,
) =>
  station.run(
    argv,
    { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: broker.people.operator(role, subject) },
    { now: () => new Date() },
  );
const workload = (argv: readonly string[], who = 'agent/one') =>
  agent.run(argv, {
    WRIT_URL: broker.url,
    WRIT_IDENTITY_TOKEN: broker.people.workload(who),
    PATH: process.env['PATH'] ?? '',
  });
const pending = async (): Promise<{ id: string; grant: string }> => {
  let found: { id: string; grant: string }[] = [];
  await until(async () => {
    const { stdout } = await operator(['approvals', '--json']);
    found = stdout
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { id: string; grant: string });
    return found.length > 0;
  });
  return found[0] ?? { id: '', grant: '' };
};
const wanted = ['--profile', 'refund', '--purpose', 'a test'];

test('without --wait it says where to ask', async () => {
  const { code, stderr } = await workload(['credential', ...wanted, '--format', 'json']);
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^writ: approval_pending: grant g\w+ waits .*https:\/\/writ\.test\/v1\/approvals\/a\w+\n$/),
  ]);
  const { id } = await pending();
  await operator(['approvals', 'deny', id, '--reason', 'not now']);
});

test('credential --wait: what waits, what is asked, the answer, the credential', async () => {
  const waiting = workload(['credential', ...wanted, '--wait', '--format', 'json']);
  const { id } = await pending();
  const listed = await operator(['approvals']);
  expect(listed.stdout.split('\n')[0]).toMatch(/^APPROVAL +STATE +LEFT +NEEDS +WHAT +OWNER +REQUESTER$/);
  expect(listed.stdout).toMatch(
    new RegExp(`${id} +pending .* 1 approver +issue refund +orders +spiffe://test.example/agent/one`),
  );
  const shown = await operator(['approvals', 'show', id]);
  expect(shown.stdout).toMatch(/requester +mesh\/spiffe:\/\/test\.example\/agent\/one/);
  expect(shown.stdout).toContain('"purpose": "a test"');
  expect(shown.stdout).toMatch(/sha256 +[0-9a-f]{64}/);
  expect(await operator(['approvals', 'approve', id, '--reason', 'seen'])).toEqual({
    code: 0,
    stdout: 'issue refund: approved\n',
    stderr: '',
  });
  const { code, stdout, stderr } = await waiting;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ type: 'jwt', token: expect.any(String) });
  expect(stderr).toMatch(/^writ: grant g\w+ waits for an approval until .*: https:\/\/writ\.test\/v1\/approvals\/a/);
  expect((await operator(['approvals'])).stderr).toBe('writ: nothing waits for an answer\n');
});

test('exec --wait runs the command once it is approved, and gives the grant back', async () => {
  const waiting = workload(['exec', ...wanted, '--wait', '--', 'sh', '-c', 'test -n "$WRIT_TOKEN" && echo has one']);
  const { id, grant } = await pending();
  await operator(['approvals', 'approve', id, '--reason', 'seen']);
  const { code, stdout } = await waiting;
  expect([code, stdout]).toEqual([0, 'has one\n']);
  const { body } = await broker.ask('GET', `/v1/grants/${grant}`, { as: broker.people.workload('agent/one') });
  expect(body['state']).toBe('revoked');
});

test('denied: the reason is told, and the command is not run', async () => {
  const waiting = workload(['exec', ...wanted, '--wait', '--', 'sh', '-c', 'echo ran']);
  const { id } = await pending();
  await operator(['approvals', 'deny', id, '--reason', 'not this month']);
  const { code, stdout, stderr } = await waiting;
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain('writ: approval_denied: the request was denied: not this month');
});

test('whoever no longer waits takes the request back', async () => {
  const waiting = workload(['exec', ...wanted, '--wait', '--', 'sh', '-c', 'echo ran']);
  const { grant } = await pending();
  agent.signals.emit('SIGINT', 'SIGINT');
  const { code, stdout } = await waiting;
  expect([code, stdout]).toEqual([130, '']);
  const { body } = await broker.ask('GET', `/v1/grants/${grant}`, { as: broker.people.workload('agent/one') });
  expect(body).toMatchObject({ state: 'refused', reason: 'exec: it is no longer waited for' });
});

test('a broker that is away for a moment is waited out', async () => {
  let away = 2;
  const flaky: typeof fetch = async (...asked) => {
    if (String(asked[0]).includes('/approval') && away-- > 0) throw new TypeError('fetch failed');
    return fetch(...asked);
  };
  const env = { WRIT_URL: broker.url, WRIT_IDENTITY_TOKEN: broker.people.workload('agent/one') };
  const waiting = agent.run(['credential', ...wanted, '--wait', '--format', 'json'], env, { fetch: flaky });
  const { id } = await pending();
  await operator(['approvals', 'approve', id, '--reason', 'seen']);
  expect((await waiting).code).toBe(0);
});

test('refusals are told as they are', async () => {
  void workload(['credential', '--profile', 'wire', '--format', 'json']);
  const { id } = await pending();
  const refused = await operator(['approvals', 'approve', id, '--reason', 'x'], 'platform');
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('writ: role_missing:')]);
  const more = await operator(['approvals', 'approve', id, '--reason', 'x'], 'security', 'ada');
  expect(more.stdout).toBe('issue wire: pending; it needs 1 approver + 2 security\n');
  expect((await operator(['approvals', 'approve', id, '--reason', 'x'], 'security', 'ada')).stderr).toContain(
    'already_answered',
  );
  await operator(['approvals', 'deny', id, '--reason', 'enough']);
  expect((await operator(['approvals', '--state', 'denied', '--owner', 'treasury'])).stdout).toContain(id);
  expect((await operator(['approvals', 'approve', id])).code).toBe(2);
});

test('what others have chosen cannot steer a terminal', async () => {
  void workload(['credential', '--profile', 'refund', '--purpose', '\u001b[2J\u202eapproved', '--format', 'json']);
  const { id } = await pending();
  const { stdout } = await operator(['approvals', 'show', id]);
  expect(stdout).toContain('\\u{202e}approved');
  expect(stdout).not.toMatch(/[\u001b\u202e]/);
  await operator(['approvals', 'deny', id, '--reason', 'no']);
});

test('an exception from its request to its review', async () => {
  const asked = await operator(
    [
      'exceptions',
      'request',
      '--profile',
      'frozen',
      '--policy',
      'freeze',
      '--for',
      '10m',
      '--review-in',
      '1d',
      '--reason',
      'incident',
      '--json',
    ],
    'platform',
  );
  const { id, ends_at } = JSON.parse(asked.stdout || '{}') as { id: string; ends_at: string };
  expect(asked.code).toBe(0);
  expect(Date.parse(ends_at)).toBeGreaterThan(0);
  const approve = (role: 'platform' | 'security') => operator(['exceptions', 'approve', id, '--reason', 'go'], role);
  expect((await approve('platform')).stderr).toContain('role_missing');
  expect((await approve('security')).stdout).toMatch(new RegExp(`^exception ${id}: active, until `));
  expect((await workload(['credential', '--profile', 'frozen', '--format', 'json'])).code).toBe(0);
  const listed = await operator(['exceptions', '--state', 'active'], 'auditor');
  expect(listed.stdout).toMatch(new RegExp(`${id} +active .* 1 +\\S+ +freeze +profile frozen`));
  expect((await operator(['exceptions', 'end', id, '--reason', 'over'], 'security')).stdout).toMatch(/: ended, /);
  // its review date passes without one, and it is listed until somebody has looked
  await broker.database.pool.query(
    `update exceptions set starts_at = starts_at - interval '2 days', review_by = now() - interval '1 day' where id = $1`,
    [id],
  );
  const overdue = await operator(['exceptions', '--unreviewed'], 'auditor');
  expect(overdue.stdout).toMatch(new RegExp(`${id} +ended +- +1 +OVERDUE +freeze +profile frozen`));
  expect((await operator(['exceptions', 'review', id, '--note', 'needed'], 'auditor')).code).toBe(0);
  expect((await operator(['exceptions', '--unreviewed'], 'auditor')).stderr).toBe('writ: no exceptions\n');
});
