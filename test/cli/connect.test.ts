import { OPERATOR_TOKENS, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS, openStation } from './harness.ts';
import type { Station } from './harness.ts';

let broker: FakeBroker;
let station: Station;
beforeEach(async () => {
  broker = await startFakeBroker();
  broker.offer('jwt', CREDENTIALS.jwt);
  station = openStation();
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const credential = ['credential', '--profile', 'jwt', '--format', 'json'];
const devFile = (over: object = {}) =>
  station.write('.writ/dev.json', JSON.stringify({ url: broker.url, operators: OPERATOR_TOKENS, ...over }));
/** Records where requests would go, and lets none go there. */
function elsewhere() {
  const urls: string[] = [];
  const fetch: typeof globalThis.fetch = async (url) => {
    urls.push(typeof url === 'string' ? url : 'href' in url ? url.href : url.url);
    throw new TypeError('not in this test');
  };
  return { urls, fetch };
}

describe('the broker’s address', () => {
  test('--url, then WRIT_URL, then the embedded default’s, then port 8080', async () => {
    const { urls, fetch } = elsewhere();
    const env = { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN };
    await station.run(credential, env, { fetch });
    devFile({ url: 'http://127.0.0.1:8099' });
    await station.run(credential, env, { fetch });
    await station.run(credential, { ...env, WRIT_URL: '' }, { fetch });
    await station.run(credential, { ...env, WRIT_URL: 'https://writ.example/x' }, { fetch });
    await station.run(
      [...credential, '--url', 'https://other.example'],
      { ...env, WRIT_URL: 'https://writ.example' },
      { fetch },
    );
    expect(urls).toEqual([
      'http://127.0.0.1:8080/v1/grants',
      'http://127.0.0.1:8099/v1/grants',
      'http://127.0.0.1:8099/v1/grants',
      'https://writ.example/x/v1/grants',
      'https://other.example/v1/grants',
    ]);
  });

  test.each([
    { name: 'no URL', url: 'writ.example' },
    { name: 'another scheme', url: 'file:///etc/passwd' },
    { name: 'a password inside', url: 'https://me:hunter2@writ.example' },
  ])('refused: $name', async ({ url }) => {
    const ran = await station.run(credential, { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN, WRIT_URL: url });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).not.toContain('hunter2');
  });

  test.each([
    { name: 'another machine', text: JSON.stringify({ url: 'http://evil.example', operators: OPERATOR_TOKENS }) },
    {
      name: 'a name that only begins like this one',
      text: JSON.stringify({ url: 'http://127.0.0.1.evil.example', operators: {} }),
    },
    { name: 'no url', text: JSON.stringify({ operators: OPERATOR_TOKENS }) },
    { name: 'no JSON', text: `${OPERATOR_TOKENS.security} {` },
  ])('a .writ/dev.json that names $name sends nothing anywhere', async ({ text }) => {
    const { urls, fetch } = elsewhere();
    station.write('.writ/dev.json', text);
    const ran = await station.run(credential, { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN }, { fetch });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: dev_file_invalid: /);
    expect(ran.stderr).not.toContain(OPERATOR_TOKENS.security);
    expect(urls).toEqual([]);
  });

  test('a broken .writ/dev.json is nobody’s business where the environment says everything', async () => {
    station.write('.writ/dev.json', '{');
    const ran = await station.run(['grants'], { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security });
    expect(ran.code).toBe(0);
  });
});

describe('the operator’s token', () => {
  const sent = () => broker.requests.map((each) => each.headers['authorization']);

  test.each([
    { argv: ['grants'], role: 'security' },
    { argv: ['revoke', '--owner', 'x', '--reason', 'x'], role: 'security' },
    { argv: ['apply'], role: 'platform' },
  ] as const)('of the embedded default for $argv, and it is said', async ({ argv, role }) => {
    devFile();
    const ran = await station.run(argv);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain(`writ: as the development operator "${role}" of .writ/dev.json\n`);
    expect(sent()[0]).toBe(`Bearer ${OPERATOR_TOKENS[role]}`);
  });

  test('WRIT_OPERATOR_TOKEN goes first, and nothing is said', async () => {
    devFile({ operators: { security: 'other' } });
    const ran = await station.run(['grants', '--json'], { WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(sent()).toEqual([`Bearer ${OPERATOR_TOKENS.security}`]);
  });

  test.each([
    { name: 'another server', url: () => 'http://writ.example' },
    { name: 'another port of this machine', url: () => 'http://127.0.0.1:9' },
    { name: 'another name of it', url: () => broker.url.replace('127.0.0.1', 'localhost') },
  ])('never goes to $name', async ({ url }) => {
    const { urls, fetch } = elsewhere();
    devFile();
    const ran = await station.run(['grants'], { WRIT_URL: url() }, { fetch });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^writ: operator_token_missing: .*WRIT_OPERATOR_TOKEN\n$/);
    expect(urls).toEqual([]);
  });

  test('a workload’s identity, given on purpose, revokes its own grant before a development operator does', async () => {
    devFile();
    const { id } = broker.seed({ id: 'g000000000001' });
    await station.run(['revoke', id, '--reason', 'x'], { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN });
    expect(sent()).toEqual([`Bearer ${WORKLOAD_TOKEN}`]);
  });
});

test('no identity: it says how to get one', async () => {
  const ran = await station.run(credential, { WRIT_URL: broker.url });
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toMatch(/^writ: identity_token_missing: .*WRIT_IDENTITY_TOKEN_FILE.*writ identity/);
});
