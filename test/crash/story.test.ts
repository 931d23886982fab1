import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeClient } from '../../src/client/index.ts';
import { findPostmaster } from '../../src/dev/postmaster.ts';
import { serverUser } from '../../src/dev/server-user.ts';
import { makeReachable } from '../../src/dev/state-directory.ts';
import { startWrit, type WritProcess } from '../support/broker-process.ts';
import { startPgProxy, type PgProxy } from '../support/pg-proxy.ts';
import type { PgMessage } from '../support/pg-messages.ts';
import { testServers } from '../support/servers.ts';
import { runSql } from '../support/sql.ts';
import { makeTarget, type Target } from '../support/target.ts';
import { asks, type Place } from './steps.ts';

/** The story of the first start quotes what it was just answered: when its target server fails, so does the story. */
const SAMPLE = fileURLToPath(new URL('../../config', import.meta.url));

let target: Target;
let proxy: PgProxy;
let home: string;
const running: WritProcess[] = [];
beforeAll(async () => {
  target = await makeTarget();
  proxy = await startPgProxy(target.url);
  home = await makeReachable('story-', await serverUser(), [testServers().directory]);
  await cp(SAMPLE, join(home, 'config'), { recursive: true });
  const profile = join(home, 'config/profiles/orders-read.yaml');
  await writeFile(profile, (await readFile(profile, 'utf8')).replace('[readonly]', `[${target.readonly}]`));
});
afterEach(async () => {
  await proxy.resume();
  for (const writ of running.splice(0)) {
    writ.kill('SIGTERM');
    expect(await writ.exited).toEqual({ code: 0, signal: null });
  }
});
afterAll(async () => {
  proxy.close();
  await target.drop();
  await rm(home, { recursive: true });
});

function dev(env: Readonly<Record<string, string>>, config = join(home, 'config')): WritProcess {
  const args = ['dev', '--config', config, '--state', join(home, 'state'), '--port', '0'];
  const writ = startWrit(args, { WRIT_LOG_LEVEL: 'silent', ...env });
  running.push(writ);
  return writ;
}

test('a first start tells of a real round', async () => {
  const writ = dev({ ORDERS_DB_URL: proxy.url });
  await writ.said(/^Edit config\/ and save/m);
  const told = writ.lines
    .map((line) => /^([a-z]+|on record|FAILED) {2,}/.exec(line)?.[1])
    .filter((word) => word !== undefined);
  expect(told).toEqual([
    'rules',
    'off',
    'off',
    'attested',
    'decided',
    'issued',
    'used',
    'revoked',
    'refused',
    'on record',
  ]);
});

test('what takes two people has them: an order over everything is lifted', async () => {
  const writ = dev({ ORDERS_DB_URL: proxy.url });
  await writ.said(/^Edit config\/ and save/m);
  const said = await readFile(join(home, 'state/dev.json'), 'utf8');
  const { url, operators } = JSON.parse(said) as { url: string; operators: Record<string, string> };
  const as = (who: string) => makeClient({ url, operatorToken: () => operators[who] ?? '' }).operator;
  const { id } = await as('security').createOrder({ selector: { all: true }, reason: 'test' });
  expect(await as('security').liftOrder(id, 'test')).toMatchObject({ outcome: 'lift_requested' });
  expect(await as('second_security').liftOrder(id, 'test')).toMatchObject({ outcome: 'lifted' });
});

const uses = ({ type, body }: PgMessage) => type === 'startup' && body.includes('writ_m');

/** The server is gone from the moment that a message has reached it, or is about to. */
const GONE: readonly { when: string; place: Place & { nth?: number }; failed: RegExp }[] = [
  {
    when: 'before a login is made',
    place: asks('targetProxy', 'CREATE ROLE'),
    failed: /^FAILED +\S+ asks for orders-read: /,
  },
  { when: 'before it is used', place: { at: 'targetProxy', match: uses }, failed: /^FAILED +the login is used: / },
  {
    when: 'before it is revoked',
    place: asks('targetProxy', 'NOLOGIN'),
    failed: /^FAILED +the grant is revoked: its state is ending/,
  },
  {
    when: 'before it is tried again',
    place: { at: 'targetProxy', match: uses, nth: 2 },
    failed: /^FAILED +the login is refused: /,
  },
];

test.each(GONE)('a target that is gone $when', async ({ place: { at: _, ...spec }, failed }) => {
  const held = proxy.hold(spec);
  const writ = dev({ ORDERS_DB_URL: proxy.url });
  await held.reached;
  proxy.refuse();
  proxy.drop();
  held.drop();
  await writ.said(failed);
  expect(writ.lines.filter((line) => line.startsWith('on record'))).toEqual([]);
  await writ.said(/The broker stays up/);
});

test('a state directory of a newer version, whose schema does not say that this one works with it', async () => {
  const state = join(home, 'newer');
  const args = ['dev', '--config', join(home, 'config'), '--state', state, '--port', '0'];
  const newer = startWrit(args, { WRIT_LOG_LEVEL: 'silent' });
  await newer.said(/^Writ listens/);
  const { database_url: url } = JSON.parse(await readFile(join(state, 'dev.json'), 'utf8')) as { database_url: string };
  await runSql(
    url,
    `insert into _prisma_migrations (id, checksum, migration_name, finished_at) values ('a', 'x', '20990101000001_newer', now())`,
  );
  newer.kill('SIGTERM');
  await newer.exited;
  const writ = startWrit(args, { WRIT_LOG_LEVEL: 'silent' });
  expect(await writ.exited).toEqual({ code: 1, signal: null });
  expect(writ.lines).toEqual([expect.stringMatching(/^writ: the ledger's schema is newer .*20990101000001_newer/)]);
});

test('a target server that is killed', async () => {
  const writ = dev({}, SAMPLE);
  await writ.said(/^Writ listens/);
  const server = await findPostmaster(join(home, 'state/servers/target/data'), '');
  process.kill(server?.pid ?? 0, 'SIGKILL');
  await writ.said(/^FAILED /);
});
