import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runAuditExport } from '../../src/audit-export.ts';
import { readCheckpoint } from '../../src/audit/checkpoint.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { includes } from '../../src/audit/proofs.ts';
import { canonicalJson } from '../../src/domain/json.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { makeClient } from '../../src/client/index.ts';
import type { EvidencePack, TaskTimeline } from '../../src/client/index.ts';
import { listFrameworks, readFramework } from '../../src/config/index.ts';
import { openStation } from '../cli/harness.ts';
import type { Station } from '../cli/harness.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { ocsfFaults } from './ocsf-schema.ts';
import { until } from '../support/waiting.ts';

/** What an auditor makes of a running broker's record, over HTTP and on the command line. */
const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\u001b[31m & 'quoted'`;
const CONTROLS = new URL('../../config/controls', import.meta.url).pathname;

let broker: RunningBroker;
let station: Station;
let directory: string;
let grant: { id: string; task: string; decision: { id: string; policies: string[] } };
let other: { id: string; task: string };

const env = () => ({ WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: broker.people.operator('auditor') });
const client = (role: 'auditor' | 'security' = 'auditor') =>
  makeClient({ url: broker.url, operatorToken: broker.people.operator(role) }).operator;
const writ = (argv: readonly string[]) =>
  station.run(argv, env(), {
    local: { ...LOCAL, readFramework: ({ framework }) => readFramework(framework, [CONTROLS]) },
  });
const absent = async (): Promise<never> => {
  throw new Error('not here');
};
const LOCAL = {
  serve: absent,
  dev: absent,
  migrate: absent,
  check: absent,
  identity: absent,
  policyTest: absent,
  policyExplain: absent,
  readRules: absent,
  replay: absent,
  archive: absent,
  checkArchive: absent,
  auditVerify: absent,
  auditExport: runAuditExport,
};

async function issue(purpose: string) {
  const issued = await broker.ask('POST', '/v1/grants', {
    as: broker.people.workload('agent/one'),
    json: { profile: 'lookup', purpose },
  });
  expect(issued.status).toBe(201);
  return JSON.parse(issued.text) as typeof grant;
}

async function sealed(): Promise<void> {
  const { rows } = await broker.database.pool.query<{ n: number }>('select count(*)::int as n from events');
  await until(async () => {
    const { rows: kept } = await broker.database.pool.query<{ n: number }>(
      'select coalesce(max(size), 0)::int as n from log_checkpoints',
    );
    return (kept[0]?.n ?? 0) >= (rows[0]?.n ?? 0);
  });
}

beforeAll(async () => {
  broker = await startRunningBroker();
  station = openStation();
  directory = await mkdtemp(join(tmpdir(), 'writ-views-'));
  grant = await issue(HOSTILE);
  other = await issue('another');
  const as = broker.people.workload('agent/one');
  await broker.ask('POST', `/v1/grants/${grant.id}/revoke`, { as, json: { reason: 'done </pre>' } });
  await broker.ask('POST', '/v1/grants', { as, json: { profile: 'lookup', purpose: '' } });
  await sealed();
});
afterAll(async () => {
  station.close();
  await rm(directory, { recursive: true });
  await broker.close();
});

describe('a timeline', () => {
  let timeline: TaskTimeline;
  beforeAll(async () => {
    timeline = await client().timeline(grant.task);
  });

  test('has every event of its task in their order, and nothing of another', async () => {
    const { rows } = await broker.database.pool.query<{ body: string }>(
      'select body from events where task_id = $1 order by seq',
      [grant.task],
    );
    expect(timeline.entries.map(({ event }) => event)).toEqual(rows.map(({ body }) => JSON.parse(body) as unknown));
    expect(timeline.entries.map(({ event }) => event['type'])).toEqual(
      expect.arrayContaining(['decision.made', 'grant.activated', 'grant.ending', 'grant.revoked']),
    );
    expect(timeline.entries.every(({ leaf }) => typeof leaf === 'number')).toBe(true);
    expect(timeline.hops).toMatchObject([{ id: grant.task, parent: null, depth: 0, purpose: HOSTILE }]);
  });

  test('has the text of the policies that decided, as it was applied', () => {
    const [decision] = timeline.decisions;
    expect(decision?.id).toBe(grant.decision.id);
    expect(decision?.policies.map(({ id }) => id)).toEqual(grant.decision.policies);
    const texts = Object.values(broker.rules).join('\n');
    for (const { text } of decision?.policies ?? []) expect(texts).toContain(text);
    expect(decision?.policies[0]?.text).toContain('permit');
  });

  test('names what the credential is to its provider', () => {
    expect(timeline.credentials).toMatchObject([
      { grant: grant.id, kind: 'first', state: 'ended', handle: expect.any(Object) },
    ]);
  });

  test('page by page it is the same', async () => {
    const seen: unknown[] = [];
    let cursor = '0';
    for (;;) {
      const as = broker.people.operator('auditor');
      const { text } = await broker.ask('GET', `/v1/tasks/${grant.task}/timeline?limit=2&cursor=${cursor}`, { as });
      const page = JSON.parse(text) as TaskTimeline;
      // what is not of single events comes once
      const once = [page.hops.length, page.credentials.length];
      expect(once).toEqual(cursor === '0' ? [timeline.hops.length, timeline.credentials.length] : [0, 0]);
      seen.push(...page.entries.map(({ event }) => event['seq']));
      if (page.next_cursor === undefined) break;
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(timeline.entries.map(({ event }) => event['seq']));
  });

  test('that it was read is on record', async () => {
    const { rows } = await broker.database.pool.query<{ body: string }>(
      `select body from events where type = 'evidence.read' and body::jsonb ->> 'resource' = $1`,
      [grant.task],
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.parse(rows[0]?.body ?? '')).toMatchObject({ facts: { what: 'timeline' }, actor: { kind: 'operator' } });
  });

  test.each([
    { name: 'a task that is not there', task: 't0000000000000000000ab', role: 'auditor', status: 404 },
    { name: 'no id of a task', task: 'nothing', role: 'auditor', status: 404 },
    { name: 'an approver', task: undefined, role: 'approver', status: 403 },
  ] as const)('$name: $status', async ({ task, role, status }) => {
    const as = broker.people.operator(role);
    expect((await broker.ask('GET', `/v1/tasks/${task ?? grant.task}/timeline`, { as })).status).toBe(status);
  });

  test.each(['cursor=x', 'limit=0', 'limit=5001', 'nothing=1'])('%s is a fault of the request', async (query) => {
    const as = broker.people.operator('auditor');
    expect((await broker.ask('GET', `/v1/tasks/${grant.task}/timeline?${query}`, { as })).status).toBe(400);
  });

  test('on a terminal: steps, the policy, and nothing that steers it', async () => {
    const { code, stdout } = await writ(['audit', 'timeline', grant.task]);
    expect(code).toBe(0);
    expect(stdout).toContain('allow: issue lookup');
    expect(stdout).toContain('credential revoked, confirmed by the provider');
    expect(stdout).toContain('| permit');
    expect(stdout).toContain('\\u{202e}\\u{1b}[31m');
    expect(stdout).not.toMatch(/[\u202e\u001b]/);
  });

  test('for print: one file without a script, whatever callers wrote', async () => {
    const file = join(directory, 'timeline.html');
    expect((await writ(['audit', 'timeline', grant.task, '--html', file])).code).toBe(0);
    expectHarmless(await readFile(file, 'utf8'));
  });

  test('joined to CloudTrail and to the audit of Vault', async () => {
    const name = `writ-${grant.id}-m00000000000000000000a`;
    const time = new Date().toISOString();
    const records = [
      {
        eventTime: time,
        eventSource: 's3.amazonaws.com',
        eventName: 'GetObject',
        userIdentity: { principalId: `AROA1:${name}` },
      },
      {
        eventTime: time,
        eventSource: 'sts.amazonaws.com',
        eventName: 'AssumeRole',
        requestParameters: { roleSessionName: name },
      },
      {
        eventTime: time,
        eventSource: 'sts.amazonaws.com',
        eventName: 'TagSession',
        requestParameters: { tags: [{ key: 'writ:grant', value: grant.id }] },
      },
      {
        eventTime: time,
        eventSource: 's3.amazonaws.com',
        eventName: 'Other',
        userIdentity: { principalId: `AROA1:writ-${other.id}-x` },
      },
      { eventTime: 'never', eventSource: 's3.amazonaws.com', eventName: HOSTILE, userIdentity: { arn: `x/${name}` } },
    ];
    const trail = join(directory, 'trail.json.gz');
    await writeFile(trail, gzipSync(JSON.stringify({ Records: records })));
    const vault = join(directory, 'vault.log');
    const auth = { accessor: 'hmac-sha256:0f', display_name: `token-writ-${grant.id}` };
    const lines = [
      { type: 'request', time, auth, request: { id: 'r1', operation: 'read', path: 'secret/data/a' } },
      { type: 'response', time, auth, request: { id: 'r1', operation: 'read', path: 'secret/data/a' } },
      {
        type: 'response',
        time,
        auth: { display_name: 'token-else' },
        request: { id: 'r2', operation: 'read', path: 'secret/data/b' },
      },
    ];
    await writeFile(vault, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { code, stdout } = await writ([
      ...['audit', 'timeline', grant.task, '--json', '--cloudtrail', trail, '--vault-audit', vault],
    ]);
    expect(code).toBe(0);
    const { steps, notes } = JSON.parse(stdout) as { steps: { kind: string; title: string }[]; notes: string[] };
    const titles = (kind: string) => steps.filter((step) => step.kind === kind).map(({ title }) => title.split(' ')[1]);
    expect(titles('cloudtrail')).toEqual([HOSTILE.split(' ')[0], 'GetObject', 'AssumeRole', 'TagSession']);
    expect(titles('vault')).toEqual(['read']);
    expect(notes).toEqual([
      `${trail}: 4 of 5 records of CloudTrail belong to this task`,
      `${vault}: 1 of 3 lines of Vault's audit belong to this task`,
      `${vault}: accessors are written as HMACs, so lines are joined by display name and metadata alone`,
    ]);
  });

  test.each([
    { name: 'is not there', text: undefined },
    { name: 'is no JSON', text: 'x' },
    { name: 'is a list of numbers', text: '[1]' },
  ])('a file that $name is an error', async ({ text }) => {
    const file = join(directory, 'broken.json');
    await rm(file, { force: true });
    if (text !== undefined) await writeFile(file, text);
    const { code, stderr } = await writ(['audit', 'timeline', grant.task, '--cloudtrail', file]);
    expect(code).toBe(1);
    expect(stderr).toContain('writ: file_unreadable');
  });
});

describe('evidence', () => {
  let pack: EvidencePack;
  beforeAll(async () => {
    await sealed();
    pack = await client().evidence();
  });

  test('counts what is sealed, and no more', async () => {
    const { rows } = await broker.database.pool.query<{ type: string; n: number }>(
      'select type, count(*)::int as n from events where leaf < $1 group by 1 order by 1',
      [pack.checkpoint.size],
    );
    const counted = new Map<string, number>();
    for (const { type, count } of pack.events) counted.set(type, (counted.get(type) ?? 0) + count);
    expect([...counted].sort()).toEqual(rows.map(({ type, n }) => [type, n]));
    expect(pack.range).toEqual({ first: 0, end: pack.checkpoint.size });
  });

  test('every sample leads to the root that was signed', () => {
    const signed = readCheckpoint(pack.checkpoint.checkpoint);
    expect(signed?.size).toBe(pack.checkpoint.size);
    expect(pack.samples.length).toBeGreaterThan(10);
    for (const { leaf, body, path } of pack.samples) {
      const hashes = path.map((hash) => Buffer.from(hash, 'base64'));
      expect(signed && includes(signed, leaf, leafHash(body), hashes)).toBe(true);
      expect(signed && includes(signed, leaf, leafHash(`${body} `), hashes)).toBe(false);
    }
  });

  test('what was granted, and that no use of it is known', () => {
    expect(pack.usage).toEqual([
      expect.objectContaining({ trust: 'mesh', profile: 'lookup', grants: expect.any(Number), called: 0, calls: 0 }),
    ]);
  });

  test('the rules that were in force, and the policies that decided', () => {
    expect(pack.generations).toMatchObject([{ number: 1, policies: expect.any(Array) }]);
    const ids = pack.generations[0]?.policies.map(({ id }) => id) ?? [];
    for (const { policy } of pack.policies) expect(ids).toContain(policy);
    expect(pack.policies.find(({ outcome }) => outcome === 'allow')?.count).toBeGreaterThanOrEqual(2);
    expect(pack.profiles.map(({ name }) => name)).toContain('lookup');
  });

  test.each([
    { name: 'the future', query: { from: '2999-01-01T00:00:00Z' } },
    { name: 'long ago', query: { to: '2001-01-01T00:00:00Z' } },
  ])('$name holds nothing', async ({ query }) => {
    const found = await client().evidence(query);
    expect(found.events).toEqual([]);
    expect(found.usage).toEqual([]);
    expect(found.samples).toEqual([]);
  });

  test('every framework that ships: on a terminal, as JSON and for print', async () => {
    for (const framework of await listFrameworks([CONTROLS])) {
      const file = join(directory, `${framework}.html`);
      const text = await writ(['audit', 'evidence', '--framework', framework]);
      expect([framework, text.code]).toEqual([framework, 0]);
      expect(text.stdout).toContain('What this cannot show:');
      const { stdout } = await writ(['audit', 'evidence', '--framework', framework, '--json', '--html', file]);
      const { controls } = JSON.parse(stdout) as { controls: { id: string; missing: string[] }[] };
      const read = await readFramework(framework, [CONTROLS]);
      expect(controls.map(({ id }) => id)).toEqual(read.controls.map(({ id }) => id));
      expectHarmless(await readFile(file, 'utf8'));
    }
  });

  test('says what is missing: no witness here, and no policy that names a control', async () => {
    const { stdout } = await writ(['audit', 'evidence', '--framework', 'nist-csf-2.0', '--json']);
    const { controls } = JSON.parse(stdout) as { controls: { id: string; missing: string[] }[] };
    const missing = (id: string) => controls.find((control) => control.id === id)?.missing;
    expect(missing('PR.PS-04')).toEqual(['no witness outside of the database keeps checkpoints']);
    expect(missing('PR.AA-05')).toEqual(expect.arrayContaining([expect.stringContaining('@control')]));
  });
});

test('an export as OCSF: a record a line, to be gone on with, whose events are what was sealed', async () => {
  await sealed();
  const file = join(directory, 'log.ocsf');
  const whole = ['audit', 'export', '--format', 'ocsf', '--to', '12', '--out', file];
  expect((await writ([...whole.slice(0, 5), '7', ...whole.slice(6)])).code).toBe(0);
  await appendFile(file, '{"half');
  expect((await writ(whole)).code).toBe(0);
  const records = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject);
  expect(records.flatMap(ocsfFaults)).toEqual([]);
  const { rows } = await broker.database.pool.query<{ body: string }>(
    'select body from events where leaf < 12 order by leaf',
  );
  expect(records.map(({ unmapped }) => canonicalJson((unmapped as { event: JsonObject }).event))).toEqual(
    rows.map(({ body }) => body),
  );
  const proof = await readFile(`${file}.proof`, 'utf8');
  expect(proof.trimEnd().split('\n')).toHaveLength(2);
  await writeFile(file, 'something else\n');
  expect((await writ(whole)).code).toBe(2);
  expect(await readFile(file, 'utf8')).toBe('something else\n');
});

/** No tag, attribute or link that this page did not make: everything that callers wrote is text. */
function expectHarmless(page: string): void {
  expect(page).not.toMatch(/<(script|img|iframe|object|embed|link|form|input|svg)\b/i);
  expect(page).not.toMatch(/<[^>]*\son\w+=/i);
  expect(page).not.toMatch(/[\u202e\u001b]/);
  expect(page).toContain("default-src 'none'");
  for (const [, link] of page.matchAll(/(?:href|src)="([^"]*)"/g)) expect(link).toMatch(/^#leaf-\d+$/);
}

test('a timeline says which months that it reaches into were put away', async () => {
  const now = new Date().toISOString().slice(0, 7);
  for (const month of ['2020-01', now]) {
    await broker.database.pool.query(
      `insert into event_archives (month, events, leaves, sha256) values ($1, 0, '{}', repeat('0', 64))`,
      [month],
    );
  }
  expect((await client().timeline(grant.task)).archived).toEqual([now]);
  const { stderr } = await writ(['audit', 'timeline', grant.task]);
  expect(stderr).toContain(`${now} was put away`);
  expect(stderr).not.toContain('2020-01');
});
