import { SCHEMA_FILE } from '../../src/config/index.ts';
import { startPgProxy } from '../support/pg-proxy.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { Replica, RunningBroker } from '../support/running-broker.ts';
import { profile, withSchema } from '../support/running-broker-rules.ts';

let broker: RunningBroker;
let platform: string;
beforeEach(async () => {
  broker = await startRunningBroker();
  platform = broker.people.operator('platform');
});
afterEach(() => broker.close());

type Files = Readonly<Record<string, string>>;
const apply = (files: Files, more: object = {}, via: Replica = broker) =>
  via.ask('POST', '/v1/generations', { as: platform, json: { files, ...more } });
const issue = (name: string, via: Replica = broker) =>
  via.ask('POST', '/v1/grants', { as: broker.people.workload('agent/one'), json: { profile: name, purpose: 'test' } });
const ready = async (via: Replica) => {
  const { status, body } = await via.ask('GET', '/readyz');
  return { status, rules: (body['checks'] as { rules: Readonly<Record<string, unknown>> }).rules };
};
const without = (files: Files, file: string): Files =>
  Object.fromEntries(Object.entries(files).filter(([name]) => name !== file));
const extended = () =>
  withSchema({
    ...broker.rules,
    ...profile('added', 'tools', 'jwt: { audience: "https://tools.test", scope: "added" }'),
  });

test('a generation is activated for every replica at once, as an event with its author and its difference', async () => {
  const other = await broker.replica();
  expect((await issue('added', other)).code).toBe('unknown_profile');
  const applied = await apply(extended());
  expect(applied.status).toBe(201);
  expect(applied.body).toMatchObject({ number: 2, hash: expect.stringMatching(/^[0-9a-f]{64}$/), unchanged: false });
  expect(applied.body['difference']).toMatchObject({ added: ['profiles/added.yaml'], removed: [], changed: [] });
  for (const via of [other, broker]) {
    const { status, body } = await issue('added', via);
    expect([status, (body['decision'] as { generation: number }).generation]).toEqual([201, 2]);
    expect(await ready(via)).toEqual({ status: 200, rules: { ok: true, loaded: 2, active: 2 } });
  }
  const { rows } = await broker.database.pool.query<{ body: string }>(
    `select body from events where type = 'generation.activated' order by seq desc limit 1`,
  );
  expect(JSON.parse(rows[0]?.body ?? '')).toMatchObject({
    actor: { kind: 'operator', issuer: 'https://sso.test', subject: 'platform' },
    origin: '127.0.0.1',
    facts: { number: 2, hash: applied.body['hash'], difference: { added: ['profiles/added.yaml'] } },
  });
});

test('a replica that has not heard of it yet decides by it all the same, when it gives and when it refuses', async () => {
  const proxy = await startPgProxy(broker.database.brokerUrl);
  const deaf = await broker.replica({ databaseUrl: proxy.url });
  const notices = [1, 2].map(() => proxy.hold({ match: ({ from, type }) => from === 'backend' && type === 'A' }));
  try {
    await apply(extended());
    expect((await issue('added', deaf)).status).toBe(201);
    await apply(withSchema(without(broker.rules, 'profiles/offline.yaml')));
    expect((await issue('offline', deaf)).code).toBe('unknown_profile');
  } finally {
    await deaf.stop();
    notices.forEach((notice) => notice.drop());
    proxy.close();
  }
});

test('a dry run shows the difference and changes nothing', async () => {
  const { status, body } = await apply(extended(), { dry_run: true });
  expect([status, body['unchanged'], Object.keys(body).sort()]).toEqual([
    200,
    false,
    ['difference', 'hash', 'unchanged'],
  ]);
  expect((await issue('added')).code).toBe('unknown_profile');
  expect((await broker.database.pool.query('select number from generations')).rows).toEqual([{ number: '1' }]);
});

test('the same rules again are the same generation', async () => {
  const { status, body } = await apply(broker.rules);
  expect([status, body['number'], body['unchanged']]).toEqual([200, 1, true]);
});

const WRONG: readonly { name: string; files: (rules: Files) => Files; want: readonly object[] }[] = [
  {
    name: 'a profile',
    files: (rules) => ({ ...rules, 'profiles/lookup.yaml': `${rules['profiles/lookup.yaml'] ?? ''}extra: 1\n` }),
    want: [{ file: 'profiles/lookup.yaml', line: 8, message: expect.stringContaining('extra') }],
  },
  {
    name: 'a policy and a profile at once',
    files: (rules) => ({
      ...rules,
      'policies/wrong.cedar': '// one\n@id("wrong")\npermit (principal, action, resource is Profil);\n',
      ...profile('broken', 'nowhere', 'jwt: {}'),
    }),
    want: [
      { file: 'policies/wrong.cedar', line: 3 },
      { file: 'profiles/broken.yaml', line: 2 },
    ],
  },
  {
    name: 'no schema',
    files: (rules) => without(rules, SCHEMA_FILE),
    want: [{ file: SCHEMA_FILE, line: 0 }],
  },
  {
    name: 'a file that is not known',
    files: (rules) => ({ ...rules, '../etc/passwd': 'x', 'notes.txt': 'x' }),
    want: [
      { file: '../etc/passwd', line: 0 },
      { file: 'notes.txt', line: 0 },
    ],
  },
  {
    name: 'what is no text',
    files: (rules) => ({ ...rules, 'policies/more.cedar': '// \u0007' }),
    want: [{ file: 'policies/more.cedar', line: 1 }],
  },
];

test.each(WRONG)('$name: every problem with file and line, and nothing is changed', async ({ files, want }) => {
  for (const dry_run of [true, false]) {
    const { status, code, body } = await apply(files(broker.rules), { dry_run });
    expect([status, code]).toEqual([400, 'rules_do_not_check']);
    expect(body['problems']).toMatchObject(want);
    expect(body['problems']).toHaveLength(want.length);
  }
  expect((await broker.database.pool.query('select number from generations')).rows).toHaveLength(1);
  expect((await issue('lookup')).status).toBe(201);
});

test('two at once: both are generations, one after the other, each with its own difference', async () => {
  const other = await broker.replica();
  const [one, two] = await Promise.all([
    apply(extended()),
    apply(withSchema(without(broker.rules, 'profiles/off.yaml')), {}, other),
  ]);
  expect([one.status, two.status]).toEqual([201, 201]);
  expect(new Set([one.body['number'], two.body['number']])).toEqual(new Set([2, 3]));
  const { rows } = await broker.database.pool.query<{ difference: { added: string[]; removed: string[] } }>(
    'select difference from generations where number = 3',
  );
  const first = one.body['number'] === 2;
  expect(rows[0]?.difference).toMatchObject(
    first
      ? { added: [], removed: ['profiles/added.yaml', 'profiles/off.yaml'] }
      : { added: ['profiles/added.yaml', 'profiles/off.yaml'], removed: [] },
  );
});

test('a replica that cannot load the active generation decides nothing and is not ready, until one that it can', async () => {
  const providers = { 'orders-db': { kind: 'postgres', url: broker.target.url } };
  const behind = await broker.replica({ settings: { providers } });
  const { status, rules } = await ready(behind);
  expect([status, rules]).toEqual([
    503,
    { ok: false, active: 1, error: expect.stringContaining('profiles/lookup.yaml:2') },
  ]);
  const refused = await issue('orders-read', behind);
  expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([503, 'generation_behind', '1']);
  expect((await issue('orders-read')).status).toBe(201);
  const files = Object.fromEntries(
    Object.entries(broker.rules).filter(([file]) => !file.startsWith('profiles/') || file.includes('orders-read')),
  );
  const policies = {
    'policies/agents.cedar': '@id("all")\npermit (principal, action == Action::"issue", resource);\n',
  };
  expect((await apply(withSchema({ ...files, ...policies }), {}, behind)).status).toBe(201);
  expect((await issue('orders-read', behind)).status).toBe(201);
  expect((await ready(behind)).status).toBe(200);
});

test('an empty ledger has no rules: 503 no_generation, not ready, until some are applied', async () => {
  await broker.close();
  broker = await startRunningBroker({ rules: null });
  platform = broker.people.operator('platform');
  const other = await broker.replica();
  for (const via of [broker, other]) {
    const { status, code } = await issue('lookup', via);
    expect([status, code]).toEqual([503, 'no_generation']);
    expect(await ready(via)).toEqual({ status: 503, rules: { ok: false } });
  }
  const first = await apply(broker.rules);
  expect([first.status, first.body['number']]).toEqual([201, 1]);
  for (const via of [other, broker]) expect((await issue('lookup', via)).status).toBe(201);
});

test('as large as rules may be, and no larger', async () => {
  const comment = (bytes: number) => `// ${'x'.repeat(bytes)}\n`;
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`policies/p${i}.cedar`, comment(200_000)]));
  expect((await apply({ ...broker.rules, ...many })).status).toBe(201);
  const more = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`policies/p${i}.cedar`, comment(200_000)]));
  expect((await apply({ ...broker.rules, ...more })).code).toBe('rules_do_not_check');
  expect((await apply({ ...broker.rules, 'policies/p.cedar': comment(9_000_000) })).code).toBe('body_too_large');
});
