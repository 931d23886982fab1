import { FAKE_NOW, OPERATOR_TOKENS, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { openStation } from './harness.ts';
import type { Station } from './harness.ts';

let broker: FakeBroker;
let station: Station;
beforeEach(async () => {
  broker = await startFakeBroker();
  station = openStation();
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const grants = (...argv: readonly string[]) =>
  station.run(['grants', ...argv], { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security });
const after = (seconds: number) => new Date(FAKE_NOW.getTime() + seconds * 1000).toISOString();

test('a table whose columns align, with the time left', async () => {
  broker.seed({ id: 'g000000000001', expires_at: after(898) });
  broker.seed({ id: 'g000000000002', profile: 'a-longer-name', expires_at: after(90_000), closed_at: null, why: null });
  broker.seed({ id: 'g000000000003', state: 'expired', why: 'expiry', closed_at: after(-5), expires_at: after(-6) });
  broker.seed({ id: 'g000000000004', state: 'ending', why: 'order', expires_at: after(-6) });
  expect(await grants()).toEqual({
    code: 0,
    stderr: '',
    stdout: [
      'GRANT          STATE             LEFT     PROFILE        PROVIDER   AGENT                         TASK',
      'g000000000001  active            14m 58s  orders         orders-db  spiffe://dev.local/agent/one  t000000000000000000001',
      'g000000000002  active            1d 1h    a-longer-name  orders-db  spiffe://dev.local/agent/one  t000000000000000000001',
      'g000000000003  expired (expiry)  -        orders         orders-db  spiffe://dev.local/agent/one  t000000000000000000001',
      'g000000000004  ending (order)    0s       orders         orders-db  spiffe://dev.local/agent/one  t000000000000000000001',
      '',
    ].join('\n'),
  });
});

test('nothing found is no failure', async () => {
  expect(await grants()).toEqual({ code: 0, stdout: '', stderr: 'writ: no grants\n' });
  expect(await grants('--json')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('what others have chosen cannot steer a terminal', async () => {
  broker.seed({ id: 'g000000000001', subject: 'evil\u001b[2J\u202e\nfake line' });
  const { stdout } = await grants();
  expect(stdout).toContain('evil\\u{1b}[2J\\u{202e}\\u{a}fake line');
  expect(stdout.split('\n')).toHaveLength(3);
});

test('--json is a line for each grant, over all pages', async () => {
  for (let i = 1; i <= 5; i += 1) broker.seed({ id: `g00000000000${i}` });
  const { stdout } = await grants('--json');
  const lines = stdout.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([...broker.grants.values()]);
});

test.each([
  { argv: ['--limit', '3'], lines: 4, more: true, requests: 2 },
  { argv: ['--limit', '5'], lines: 6, more: false, requests: 3 },
  { argv: ['--limit', '3', '--json'], lines: 3, more: false, requests: 2 },
  { argv: ['--limit', '0', '--json'], lines: 0, more: false, requests: 0 },
])('$argv', async ({ argv, lines, more, requests }) => {
  for (let i = 1; i <= 5; i += 1) broker.seed({ id: `g00000000000${i}` });
  const ran = await grants(...argv);
  expect(ran.stdout.split('\n').length - 1).toBe(lines);
  expect(ran.stderr.includes('see --limit')).toBe(more);
  expect(broker.requests).toHaveLength(requests);
});

test('every filter is the API’s', async () => {
  const filter = { state: 'active', agent: 'a', task: 't', profile: 'p', owner: 'o', environment: 'e', provider: 'q' };
  await grants(...Object.entries(filter).flatMap(([name, value]) => [`--${name}`, value]));
  expect(broker.requests[0]?.query).toEqual({ ...filter, limit: '101' });
});

test('a state that there is not', async () => {
  expect(await grants('--state', 'alive')).toMatchObject({ code: 2 });
});

test('a workload is told that this is for operators', async () => {
  const ran = await station.run(['grants'], { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: WORKLOAD_TOKEN });
  expect(ran).toMatchObject({ code: 1, stdout: '' });
  expect(ran.stderr).toMatch(/^writ: not_an_operator: /);
});
