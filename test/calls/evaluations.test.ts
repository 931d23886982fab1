import type { JsonObject } from '../../src/domain/json.ts';
import { startCalls } from './world.ts';
import type { Calls } from './world.ts';

/** Many calls at once: AuthZEN 1.0, *Access Evaluations API*. */
let world: Calls;
beforeAll(async () => {
  world = await startCalls();
});
afterAll(() => world.close());

const on = (id: string): JsonObject => ({ resource: { type: 'tool', id } });
const ALLOWED = on('search');
const DENIED = on('mcp.forbidden');
const UNKNOWN = on('nope');
const BROKEN = { resource: 5 };
const counted = async () => Number((await world.rows<{ n: string }>('select count(*) as n from decisions'))[0]?.n);

async function ask(evaluations: unknown[], semantic?: string, defaults: JsonObject = world.question()) {
  const before = await counted();
  const options = semantic === undefined ? {} : { options: { evaluations_semantic: semantic } };
  const answers = await world.evaluateAll({ ...defaults, evaluations, ...options });
  return {
    said: answers.map(({ decision, context }) => (decision ? 'allowed' : context['reason'])),
    recorded: (await counted()) - before,
  };
}

describe('semantics', () => {
  test.each<{ semantic?: string; items: unknown[]; said: string[]; recorded: number }>([
    {
      items: [ALLOWED, DENIED, ALLOWED, BROKEN, UNKNOWN],
      said: ['allowed', 'policy_denied', 'allowed', 'invalid_request', 'unknown_tool'],
      recorded: 4,
    },
    { semantic: 'execute_all', items: [DENIED, ALLOWED], said: ['policy_denied', 'allowed'], recorded: 2 },
    {
      semantic: 'deny_on_first_deny',
      items: [ALLOWED, DENIED, ALLOWED],
      said: ['allowed', 'policy_denied'],
      recorded: 2,
    },
    { semantic: 'deny_on_first_deny', items: [ALLOWED, ALLOWED], said: ['allowed', 'allowed'], recorded: 2 },
    {
      semantic: 'deny_on_first_deny',
      items: [ALLOWED, BROKEN, ALLOWED],
      said: ['allowed', 'invalid_request'],
      recorded: 1,
    },
    { semantic: 'deny_on_first_deny', items: [BROKEN, ALLOWED], said: ['invalid_request'], recorded: 0 },
    { semantic: 'deny_on_first_deny', items: [UNKNOWN, BROKEN], said: ['unknown_tool'], recorded: 1 },
    {
      semantic: 'permit_on_first_permit',
      items: [DENIED, ALLOWED, ALLOWED],
      said: ['policy_denied', 'allowed'],
      recorded: 2,
    },
    {
      semantic: 'permit_on_first_permit',
      items: [DENIED, UNKNOWN],
      said: ['policy_denied', 'unknown_tool'],
      recorded: 2,
    },
    {
      semantic: 'permit_on_first_permit',
      items: [BROKEN, DENIED, BROKEN, ALLOWED, BROKEN, ALLOWED],
      said: ['invalid_request', 'policy_denied', 'invalid_request', 'allowed'],
      recorded: 2,
    },
  ])('$semantic of $items', async ({ semantic, items, said, recorded }) => {
    expect(await ask(items, semantic)).toEqual({ said, recorded });
  });

  test('what only the ledger denies counts as a deny: the next is tried for a permit, and nothing after it for an all', async () => {
    const { id } = await world.grant();
    const refund: JsonObject = { ...on('refund'), context: { grant: id, arguments: { order: '1', amount: 1 } } };
    await world.rows(`insert into orders (id, kind, value, reason, author, blocks, created_at, swept_at)
      values ('o1', 'profile', 'lookup', 'x', '{}', true, now(), now())`);
    try {
      expect(await ask([refund, refund, ALLOWED, ALLOWED], 'permit_on_first_permit')).toEqual({
        said: ['under_order', 'under_order', 'allowed'],
        recorded: 3,
      });
      expect(await ask([ALLOWED, refund, ALLOWED], 'deny_on_first_deny')).toEqual({
        said: ['allowed', 'under_order'],
        recorded: 2,
      });
    } finally {
      await world.rows('update orders set lifted_at = now()');
    }
  });
});

describe('defaults', () => {
  test('are taken as whole objects, or not at all', async () => {
    const context = { arguments: { text: 'x', limit: 1 } };
    const answers = await world.evaluateAll({
      ...world.question({ context }),
      evaluations: [{}, { context: { arguments: { text: 'y' } } }, { context: {} }, { action: { name: 'read' } }],
    });
    const ids = answers.map((answer) => answer.context['id']);
    const rows = await world.rows<{ id: string; arguments: unknown; code: string | null }>(
      'select id, arguments, code from decisions where id = any ($1)',
      ids,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    expect(ids.map((id) => byId.get(String(id))?.arguments)).toEqual([
      { text: 'x', limit: 1 },
      { text: 'y' },
      {},
      null,
    ]);
    expect(byId.get(String(ids[3]))?.code).toBe('unknown_action');
  });

  test('may all be left out', async () => {
    const full = world.question();
    expect(await ask([full, { ...full, resource: { type: 'tool', id: 'nope' } }], undefined, {})).toMatchObject({
      said: ['allowed', 'unknown_tool'],
    });
  });

  test('that are broken break only the items that use them', async () => {
    const defaults = { ...world.question(), resource: 'search' };
    expect(await ask([{}, ALLOWED], undefined, defaults)).toMatchObject({ said: ['invalid_request', 'allowed'] });
  });
});

test('a broken item says what is broken, and is on no record', async () => {
  const [answer] = await world.evaluateAll({ ...world.question(), evaluations: [{ context: { grant: 5 } }] });
  expect(answer).toEqual({
    decision: false,
    context: {
      reason: 'invalid_request',
      error: { status: 400, message: 'invalid_request' },
      errors: [{ path: 'context.grant', problem: expect.any(String) }],
    },
  });
});

test.each<{ name: string; more: JsonObject }>([
  { name: 'no list', more: {} },
  { name: 'an empty one', more: { evaluations: [] } },
])('$name: a single request', async ({ more }) => {
  const answer = await world.post('/access/v1/evaluations', { ...world.question(), ...more });
  expect(answer.body).toMatchObject({ decision: true, context: { id: expect.any(String) } });
  expect(answer.body).not.toHaveProperty('evaluations');
});

test.each<{ name: string; body: () => JsonObject; path: string }>([
  { name: 'a list that is none', body: () => ({ ...world.question(), evaluations: {} }), path: 'evaluations' },
  {
    name: 'more than a hundred',
    body: () => ({ ...world.question(), evaluations: Array.from({ length: 101 }, () => ({})) }),
    path: 'evaluations',
  },
  {
    name: 'a semantic that nobody knows',
    body: () => ({ ...world.question(), evaluations: [{}], options: { evaluations_semantic: 'any' } }),
    path: 'options.evaluations_semantic',
  },
])('$name: 400, and nothing is decided', async ({ body, path }) => {
  const before = await counted();
  const answer = await world.post('/access/v1/evaluations', body());
  expect([answer.status, answer.body['errors']]).toEqual([400, [{ path, problem: expect.any(String) }]]);
  expect(await counted()).toBe(before);
});

test('a hundred, each with its own arguments, in their sequence and in two commits', async () => {
  const evaluations = Array.from({ length: 100 }, (_, n) => ({ context: { arguments: { limit: n + 1 } } }));
  const answers = await world.evaluateAll({ ...world.question(), evaluations });
  expect(answers.every(({ decision }) => decision)).toBe(true);
  const ids = answers.map(({ context }) => context['id']);
  const rows = await world.rows<{ id: string; limit: number; xmin: string }>(
    `select id, (arguments ->> 'limit')::int as limit, xmin::text from decisions where id = any ($1)`,
    ids,
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  expect(ids.map((id) => byId.get(String(id))?.limit)).toEqual(evaluations.map((_, n) => n + 1));
  expect(new Set(rows.map(({ xmin }) => xmin)).size).toBe(2);
});
