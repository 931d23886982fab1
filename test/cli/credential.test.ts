import { execFileSync } from 'node:child_process';
import { startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { CREDENTIALS, openStation, SECRET } from './harness.ts';
import type { Station } from './harness.ts';

let broker: FakeBroker;
let station: Station;
beforeEach(async () => {
  broker = await startFakeBroker();
  for (const [name, credential] of Object.entries(CREDENTIALS)) broker.offer(name, credential);
  station = openStation();
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const credential = (profile: string, format: string, ...more: string[]) =>
  station.run(['credential', '--profile', profile, '--format', format, ...more], {
    WRIT_URL: broker.url,
    WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN,
    XDG_RUNTIME_DIR: station.cwd,
  });
const END = '2026-11-23T12:15:00.000Z';

test.each(Object.entries(CREDENTIALS))('json: %s is the credential with its grant and end', async (profile, held) => {
  const ran = await credential(profile, 'json');
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(ran.stdout)).toEqual({ ...held, grant: 'g000000000001', expires_at: END });
  expect([...broker.grants.values()]).toMatchObject([{ state: 'active' }]);
});

test('env: a POSIX shell reads back exactly what was there', async () => {
  const nasty = `a'b"c$(exit 9)\`exit 9\`\\ \n!*~;&|<> ü€ $HOME`;
  broker.offer('nasty', { type: 'vault_secret', data: { value: nasty, other: "'" } });
  const { stdout, code } = await credential('nasty', 'env');
  expect(code).toBe(0);
  const script = `${stdout}\nprintf '%s\\0%s' "$VALUE" "$OTHER"`;
  expect(execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8', env: {} })).toBe(`${nasty}\0'`);
});

test('env: every line exports one variable', async () => {
  const { stdout } = await credential('postgres', 'env');
  expect(stdout.split('\n')).toEqual([
    `export DATABASE_URL='${CREDENTIALS.postgres.url}'`,
    "export PGHOST='db.example'",
    "export PGPORT='5432'",
    "export PGDATABASE='orders'",
    "export PGUSER='writ_1'",
    `export PGPASSWORD='${SECRET}'`,
    '',
  ]);
});

test('aws-process', async () => {
  const { stdout } = await credential('aws', 'aws-process');
  expect(JSON.parse(stdout)).toEqual({
    Version: 1,
    AccessKeyId: 'ASIAEXAMPLE',
    SecretAccessKey: SECRET,
    SessionToken: `session-${SECRET}`,
    Expiration: END,
  });
});

test('kubectl', async () => {
  const { stdout } = await credential('jwt', 'kubectl');
  expect(JSON.parse(stdout)).toEqual({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: CREDENTIALS.jwt.token, expirationTimestamp: END },
  });
});

test('the end of a short child is the credential’s, not the grant’s', async () => {
  const grant = broker.seed({ id: 'g000000000001' });
  const short = '2026-11-23T12:01:00.000Z';
  broker.next('POST /v1/grants', {
    status: 201,
    body: { ...grant, credential: CREDENTIALS.aws, credential_expires_at: short },
  });
  expect(JSON.parse((await credential('aws', 'aws-process')).stdout)).toMatchObject({ Expiration: short });
});

test.each([
  { profile: 'postgres', format: 'aws-process' },
  { profile: 'jwt', format: 'aws-process' },
  { profile: 'aws', format: 'kubectl' },
  { profile: 'vault_token', format: 'kubectl' },
])('$profile does not fit $format: nothing is printed, the grant is given back', async ({ profile, format }) => {
  const ran = await credential(profile, format);
  expect(ran).toMatchObject({ code: 1, stdout: '' });
  expect(ran.stderr).toMatch(/^writ: credential_unfit: /);
  expect(ran.stderr).toContain(profile);
  expect(ran.stderr).not.toContain(SECRET);
  expect([...broker.grants.values()]).toMatchObject([{ state: 'revoked' }]);
});

test('a type that this version does not know is no environment, but JSON', async () => {
  const grant = broker.seed({ id: 'g000000000001' });
  const answer = { status: 201, body: { ...grant, credential: { type: 'carrier_pigeon', ring: SECRET } } };
  broker.next('POST /v1/grants', answer, answer);
  expect(await credential('x', 'env')).toMatchObject({ code: 1, stdout: '' });
  expect(JSON.parse((await credential('x', 'json')).stdout)).toMatchObject({ ring: SECRET });
});

test('usage: the format is one of the list', async () => {
  expect(await credential('jwt', 'yaml')).toMatchObject({ code: 2, stdout: '' });
  expect(broker.requests).toHaveLength(0);
});
