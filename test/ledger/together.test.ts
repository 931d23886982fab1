import type { GrantId, TaskId } from '../../src/domain/ids.ts';
import { makeLedger } from '../../src/ledger/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import type { OpenGrant } from '../../src/ledger/issuing.ts';
import { codeOf } from '../exchange/world.ts';
import { startPgProxy } from '../support/pg-proxy.ts';
import type { PgProxy } from '../support/pg-proxy.ts';
import { isOpen } from '../support/waiting.ts';
import { openInTheMaking } from './in-the-making.ts';
import type { InTheMaking } from './in-the-making.ts';
import { ids, makeWorld, OPERATOR } from './world.ts';
import type { Changes, OpenedGrant, World } from './world.ts';

/** Who asks at the same moment shares a statement and a commit, and nothing else: no answer, no refusal, no lock that one waits for. */
let world: World;
let other: InTheMaking;
let proxy: PgProxy;
let ledger: Ledger;
beforeAll(async () => {
  world = await makeWorld();
  other = await openInTheMaking(world);
  proxy = await startPgProxy(world.database.brokerUrl);
});
beforeEach(() => {
  ledger = makeLedger({ url: proxy.url, poolSize: 8, timeoutMs: 2_000 });
});
// what a test that failed has left open must not hold up the next
afterEach(async () => {
  await other.rollback();
  await ledger.close();
  await world.calm();
});
afterAll(async () => {
  proxy.close();
  await other.close();
  await world.close();
});

const open = (opening: OpenGrant) => ledger.issuing.openGrant(opening);
const activate = ({ mint, epoch }: OpenedGrant) =>
  ledger.issuing.activate(mint, epoch, { of: mint }, new Date(Date.now() + 60_000), null);
const openings = (count: number, change: Changes = {}) => Array.from({ length: count }, () => world.opening(change));
const opened = (count: number, change: Changes = {}) =>
  Promise.all(Array.from({ length: count }, () => world.open(change)));
const SHARED = 'transitions_together';
const statements = () =>
  proxy.count({ from: 'frontend', match: ({ type, sql }) => type === 'B' && sql.includes(SHARED) });

/** How many of these grants had this event in each commit. */
async function commits(grants: readonly GrantId[], event: string): Promise<number[]> {
  const rows = await world.sql<{ n: number }>(
    'select count(*)::int as n from events where type = $2 and grant_id = any ($1) group by tx order by 1',
    [grants, event],
  );
  return rows.map(({ n }) => n);
}
const idsOf = (all: readonly OpenGrant[]) => all.map(({ grant }) => grant.id);

test('the first two go at once, those who come meanwhile share a commit, and each has its own answer', async () => {
  const asked = [60, 120, 180, 240].map((ttlSeconds) => world.opening({ ttlSeconds }));
  expect((await Promise.all(asked.map(open))).map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1]);
  const mints = asked.map(({ mint }) => mint.id);
  const active = await Promise.all(
    mints.map((mint) => ledger.issuing.activate(mint, 1, { of: mint }, new Date(), null)),
  );
  expect(active.map(({ expiresAt }) => expiresAt.toISOString())).toEqual(asked.map(({ grant }) => grant.expires_at));
  for (const mint of mints) expect(await world.mint(mint)).toMatchObject({ state: 'live', handle: { of: mint } });
  expect(await commits(idsOf(asked), 'grant.opened')).toEqual([1, 1, 2]);
  expect(await commits(idsOf(asked), 'grant.activated')).toEqual([1, 1, 2]);
});

test('where it is crowded, those who ask in one turn go together from the first on', async () => {
  const [before, asked] = [openings(4), openings(4)];
  await Promise.all(before.map(open));
  await Promise.all(asked.map(open));
  expect(await commits(idsOf(asked), 'grant.opened')).toEqual([4]);
});

test('nobody waits long for those that are held up', async () => {
  const others = openings(3);
  const held = [];
  for (const first of openings(2)) {
    const answer = proxy.hold({
      from: 'backend',
      match: ({ type, sql }) => type === 'C' && sql.includes('open_grant'),
    });
    held.push({ answer, opening: open(first) });
    await answer.reached;
  }
  await Promise.all(others.map(open));
  for (const { opening } of held) expect(await isOpen(opening)).toBe(true);
  for (const { answer } of held) answer.release();
  await Promise.all(held.map(({ opening }) => opening));
  expect(await commits(idsOf(others), 'grant.opened')).toEqual([3]);
});

test('who comes alone goes alone', async () => {
  await open(world.opening());
  const shared = statements();
  const opening = world.opening();
  await open(opening);
  await ledger.issuing.activate(opening.mint.id, 1, {}, new Date(), null);
  expect(shared.n).toBe(0);
});

test('many go in several commits, none of more than four', async () => {
  const asked = openings(20);
  await Promise.all(asked.map(open));
  const sizes = await commits(idsOf(asked), 'grant.opened');
  expect(sizes.reduce((sum, size) => sum + size)).toBe(20);
  expect(sizes.length).toBeGreaterThanOrEqual(5);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
});

/** What one alone is refused or fails for. */
const REFUSED: readonly {
  readonly name: string;
  readonly code: string;
  readonly arrange: () => Promise<OpenGrant> | OpenGrant;
}[] = [
  {
    name: 'an order stands in its way',
    code: 'under_order',
    arrange: async () => {
      await world.order({ kind: 'owner', value: 'ops' }, true);
      return world.opening({ owner: 'ops' });
    },
  },
  {
    name: 'its rules are not in force',
    code: 'generation_behind',
    arrange: () => {
      const { decision, ...opening } = world.opening();
      return { ...opening, decision: { ...decision, generation: 0 } };
    },
  },
  { name: 'its task is not there', code: 'task_not_found', arrange: () => world.opening({ task: ids.task() }) },
  {
    name: 'its key is in use',
    code: 'request_in_progress',
    arrange: async () => {
      const idempotency = { key: ids.grant(), request_hash: 'h' };
      await world.open({ idempotency });
      return world.opening({ idempotency });
    },
  },
  {
    name: 'too many wait for an approval',
    code: 'too_many_approvals',
    arrange: () => world.openingPending({ max_open: 0 }),
  },
  {
    name: 'it has a character that cannot be kept',
    code: 'invalid_request',
    arrange: () => world.opening({ profile: 'orders\u0000read' }),
  },
  {
    name: 'it is there already',
    code: 'LedgerConflict',
    arrange: async () => {
      const opening = world.opening();
      await world.ledger.issuing.openGrant(opening);
      return opening;
    },
  },
];

test.each(REFUSED)('$name: that one alone is refused', async ({ code, arrange }) => {
  const bad = await arrange();
  const [before, after] = [openings(2), openings(2)];
  const asked = [...before, bad, ...after];
  const answers = await Promise.allSettled(asked.map(open));
  const reasons = answers.map((each) => (each.status === 'rejected' ? (each.reason as Error) : undefined));
  expect(reasons.map((reason) => reason && ((reason as { code?: string }).code ?? reason.name))).toEqual([
    undefined,
    undefined,
    code,
    undefined,
    undefined,
  ]);
  expect(await commits(idsOf([...before, ...after]), 'grant.opened')).toEqual([1, 1, 2]);
});

test('of two under one key in one commit the second is refused', async () => {
  const idempotency = { key: 'twice', request_hash: 'h' };
  const [before, twice] = [openings(2), openings(2, { idempotency })];
  const codes = await Promise.all([...before, ...twice].map((each) => codeOf(open(each))));
  expect(codes).toEqual(['done', 'done', 'done', 'request_in_progress']);
});

test('who is superseded leaves the others as they are', async () => {
  const [before, ended, after] = [await opened(2), await world.open(), await opened(1)];
  await world.revoke(ended);
  const codes = await Promise.all([...before, ended, ...after].map((each) => codeOf(activate(each))));
  expect(codes).toEqual(['done', 'done', 'superseded', 'done']);
});

describe('who has to wait for a lock', () => {
  const endInTheMaking = (task: string) =>
    other.begin('end_task', { task, why: 'ended', reason: 'done', actor: OPERATOR, origin: null, batch: 0 });

  test('waits by itself, and those who came with it do not', async () => {
    const task = await world.task();
    await endInTheMaking(task);
    const before = openings(2).map(open);
    const held = codeOf(open(world.opening({ task })));
    const after = openings(2).map(open);
    await Promise.all([...before, ...after]);
    expect(await isOpen(held)).toBe(true);
    await other.commit();
    expect(await held).toBe('task_ended');
  });

  test('so for an issuance that is to be on record', async () => {
    const [before, ending, after] = [await opened(2), await world.open(), await opened(2)];
    const end = { grant: ending.grant, why: 'revocation', reason: 'x', actor: OPERATOR, origin: null };
    await other.begin('end_grant', end);
    const first = before.map(activate);
    const held = codeOf(activate(ending));
    await Promise.all([...first, ...after.map(activate)]);
    expect(await isOpen(held)).toBe(true);
    await other.commit();
    expect(await held).toBe('superseded');
  });

  test('and holds nobody up who comes later', async () => {
    const task = await world.task();
    await endInTheMaking(task);
    const held = codeOf(open(world.opening({ task })));
    expect(await isOpen(held)).toBe(true);
    const later = openings(3);
    await Promise.all(later.map(open));
    expect(await commits(idsOf(later), 'grant.opened')).toEqual([1, 2]);
    expect(await isOpen(held)).toBe(true);
    await other.commit();
    expect(await held).toBe('task_ended');
  });
});

test('two that lock the same tasks in another order do not lock each other out', async () => {
  const tasks = [await world.task({ max_grants: 50 }), await world.task({ max_grants: 50 })];
  const elsewhere = makeLedger({ url: proxy.url, poolSize: 8 });
  const each = (through: Ledger, order: readonly TaskId[]) =>
    order.map((task) => codeOf(through.issuing.openGrant(world.opening({ task }))));
  const backwards = [...tasks].reverse();
  const codes = await Promise.all(
    Array.from({ length: 5 }, () => [...each(ledger, tasks), ...each(elsewhere, backwards)]).flat(),
  );
  await elsewhere.close();
  expect(new Set(codes)).toEqual(new Set(['done']));
});

test.each([
  { side: 'there', kept: 0 },
  { side: 'back', kept: 2 },
] as const)(
  'the ledger is away for one and so for all that share with it: lost on its way $side',
  async ({ side, kept }) => {
    const held = proxy.hold(
      side === 'there'
        ? { from: 'frontend', match: ({ type, sql }) => type === 'B' && sql.includes(SHARED) }
        : { from: 'backend', match: ({ type, sql }) => type === 'C' && sql.includes(SHARED) },
    );
    const asked = openings(4);
    const codes = Promise.all(asked.map((each) => codeOf(open(each))));
    await held.reached;
    held.drop();
    expect(await codes).toEqual(['done', 'done', 'ledger_unavailable', 'ledger_unavailable']);
    expect(await commits(idsOf(asked.slice(2)), 'grant.opened')).toEqual(kept === 0 ? [] : [kept]);
    await Promise.all(openings(2).map(open));
  },
);
