import { canonicalise } from './canonical.ts';
import { TRANSITIONS } from './transitions/index.ts';
import { makeWorld, OPERATOR } from './world.ts';
import type { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  for (const { arrange } of TRANSITIONS) await arrange(world).then(({ run }) => run());
  await world.calm();
});
afterAll(() => world.close());

interface EventRow extends Record<string, unknown> {
  readonly seq: string;
  readonly at: Date;
  readonly type: string;
  readonly grant_id: string | null;
  readonly task_id: string | null;
  readonly body: string;
}

interface Body {
  readonly actor: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly [member: string]: unknown;
}

const events = (after = '0') =>
  world.sql<EventRow>('select seq, at, type, grant_id, task_id, body from events where seq > $1 order by seq', [after]);
const parsed = (row: EventRow) => JSON.parse(row.body) as Body;
const lastSeq = async () => (await events()).at(-1)?.seq ?? '0';
const expectCanonical = (row: EventRow) => expect(row.body).toBe(canonicalise(JSON.parse(row.body)));

/** Every kind of character that JSON can write in more than one way, and some that break what is put together by hand. */
const STRINGS = {
  quotes: `"'\\\\"$$ %I %s $1`,
  'control characters': Array.from({ length: 31 }, (_, at) => String.fromCharCode(at + 1)).join('') + '\x7f\x80\x9f',
  'other alphabets': 'Zürich 東京 العربية हिन्दी',
  'combining and separating': 'e\u0301\u2028\u2029\u200b\ufeff\u00a0',
  'beyond the first plane': '😀𝒲\u{10ffff}\ue000\uffff',
  'what looks like JSON': '{"a":[1,null],"b":"\\u0041\\n"}',
  'slashes and markup': '</script>&lt;//\\/',
  long: 'ü"'.repeat(100_000),
  empty: '',
};

test('every event that the ledger writes has canonical text, with its type, time, actor, success, origin and resource', async () => {
  const rows = await events();
  expect(rows.length).toBeGreaterThan(100);
  for (const row of rows) {
    expectCanonical(row);
    const body = parsed(row);
    // PCI DSS 10.2.2: user, type, date and time, success or failure; origin and resource where there is one
    expect(body).toMatchObject({ type: row.type, seq: Number(row.seq), success: expect.any(Boolean) });
    expect(body['at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(Math.floor(Date.parse(String(body['at'])))).toBe(row.at.getTime());
    expect(body.actor).toEqual(
      {
        workload: { kind: 'workload', trust: expect.any(String), id: expect.any(String) },
        operator: { kind: 'operator', issuer: expect.any(String), subject: expect.any(String) },
        system: { kind: 'system', name: expect.any(String) },
      }[body.actor['kind'] ?? ''],
    );
    expect(body['grant'] ?? null).toBe(row.grant_id);
    expect(body['task'] ?? null).toBe(row.task_id);
  }
});

test.each([
  { types: /^(grant|mint)\./, resource: 'orders-read', workload: true },
  { types: /^decision\.made$/, resource: expect.stringMatching(/^(orders-read|task)$/), workload: true },
  { types: /^(task|approval)\./, resource: expect.any(String), workload: true },
  { types: /^(order|generation|key)\./, resource: expect.any(String), workload: false },
])('$types names what it is about', async ({ types, resource, workload }) => {
  const rows = (await events()).filter(({ type }) => types.test(type)).map(parsed);
  const plain = rows.filter((body) => !String(body['resource']).startsWith('pg'));
  expect(plain.length).toBeGreaterThan(0);
  for (const body of plain) {
    expect(body).toMatchObject({ resource });
    expect(body['workload']).toEqual(workload ? { id: expect.any(String), trust: 'mesh' } : undefined);
  }
});

test('success is false where something failed or was refused, and true elsewhere', async () => {
  const failures = new Set(
    (await events())
      .map(parsed)
      .filter((body) => body['success'] === false)
      .map((body) => body['type']),
  );
  expect([...failures].sort()).toEqual([
    'approval.untold',
    'call.decided',
    'call.reported',
    'decision.made',
    'evidence.refused',
    'grant.failed',
    'grant.stuck',
    'mint.end_failed',
    'mint.ended',
    'use.after_revocation',
  ]);
});

test('a decision says the rules, the policies and a hash of all that they saw', async () => {
  const decision = world.decision({ inputs: { context: { z: 1, a: 'ü' }, principal: ['x'] }, policies: ['b', 'a'] });
  const before = await lastSeq();
  await world.ledger.issuing.recordDecision({ ...decision, outcome: 'deny', code: 'policy_denied' });
  const [row] = await events(before);
  const sql = `select encode(sha256(convert_to($1, 'UTF8')), 'hex') as hash`;
  const [hash] = await world.sql<{ hash: string }>(sql, [canonicalise(decision.inputs)]);
  expect(row && parsed(row)).toMatchObject({
    decision: decision.id,
    origin: '192.0.2.7',
    success: false,
    facts: {
      outcome: 'deny',
      code: 'policy_denied',
      generation: world.generation(),
      rules_hash: 'rules',
      policies: ['b', 'a'],
      inputs_hash: hash?.hash,
    },
  });
});

test.each(Object.entries(STRINGS))(
  'whatever a caller or a provider says keeps the text canonical: %s',
  async (_, text) => {
    const before = await lastSeq();
    const short = text.slice(0, 500); // what an index must hold
    const base = world.opening({
      trust: short,
      subject: short,
      profile: short,
      owner: text,
      environment: text,
      provider: short,
    });
    const opening = {
      ...base,
      origin: text,
      task: { ...base.task, purpose: text, on_behalf_of: text },
      grant: { ...base.grant, parameters: { month: text, another: text } },
      decision: { ...base.decision, policies: [text], errors: [{ policy: text, message: text }], inputs: { text } },
    };
    await world.ledger.issuing.openGrant(opening);
    await world.activate(
      { mint: opening.mint.id, epoch: 1 },
      { [text.slice(0, 9).replace(/[^\x20-\x7e]/g, '_')]: [text, { a: text }] },
    );
    const actor = { ...OPERATOR, issuer: text, subject: text };
    const { id: grant } = opening.grant;
    await world.ledger.issuing.endGrant({ grant, why: 'revocation', reason: text, actor, origin: text });
    const { mint, epoch } = await world.claim({ grant });
    await world.ledger.reaping.retry(mint, epoch, text, 0, 1);
    const rows = await events(before);
    expect(rows.map(({ type }) => type)).toEqual([
      ...['decision.made', 'task.created', 'grant.opened', 'grant.activated', 'grant.ending'],
      ...['mint.end_failed', 'grant.stuck'],
    ]);
    rows.forEach(expectCanonical);
    const facts = Object.fromEntries(rows.map((row) => [row.type, parsed(row).facts]));
    expect(facts['task.created']).toMatchObject({ purpose: text });
    expect(facts['grant.opened']).toMatchObject({ parameters: { month: text, another: text } });
    expect(facts['grant.ending']).toMatchObject({ reason: text });
    expect(facts['mint.end_failed']).toMatchObject({ error: text });
  },
);

test.each([
  { name: 'a zero byte', text: 'a\u0000b' },
  { name: 'half a character', text: '\ud800' },
])('what Postgres cannot store is the request’s fault, and nothing of it is kept: $name', async ({ text }) => {
  const before = await lastSeq();
  const opening = world.opening();
  const asked = { ...opening, task: { ...opening.task, purpose: text } };
  await expect(world.ledger.issuing.openGrant(asked)).rejects.toMatchObject({
    name: 'Refusal',
    code: 'invalid_request',
  });
  const key = world.ledger.grants.repeated('mesh', text, 'key');
  if (text.includes('\u0000')) await expect(key).rejects.toMatchObject({ name: 'Refusal', code: 'invalid_request' });
  else expect(await key).toBeUndefined();
  expect(await events(before)).toEqual([]);
});
