import { makeWorld, SHAPE } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** A key belongs to a workload and names one request; what is open under it is never opened twice. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const under = (key: string, request_hash = 'h') => ({ idempotency: { key, request_hash } });
const inProgress = { name: 'Refusal', code: 'request_in_progress' };
const subject = { trust: SHAPE.trust, id: SHAPE.subject };

async function close(of: OpenedGrant): Promise<void> {
  await world.revoke(of);
  const { mint, epoch } = await world.claim(of);
  await world.ledger.reaping.close(mint, epoch, 'ended', false);
}

test('many at once under one key: one is opened, and the others leave nothing', async () => {
  const raced = await Promise.allSettled(Array.from({ length: 8 }, () => world.open(under('race'))));
  const lost = raced.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  expect(lost).toHaveLength(7);
  for (const reason of lost) expect(reason).toMatchObject(inProgress);
  const counts =
    await world.sql(`select (select count(*) from grants)::int as grants, (select count(*) from tasks)::int as tasks,
    (select count(*) from decisions)::int as decisions, (select count(*) from events where type = 'grant.opened')::int as events`);
  expect(counts).toEqual([{ grants: 1, tasks: 1, decisions: 1, events: 1 }]);
});

test.each([
  { state: 'issuing', arrange: () => world.open(under('issuing')) },
  { state: 'active', arrange: () => world.live(under('active')) },
  {
    state: 'ending',
    arrange: async () => {
      const grant = await world.live(under('ending'));
      await world.revoke(grant);
      return grant;
    },
  },
])('a grant that is $state keeps its key', async ({ state, arrange }) => {
  const { grant } = await arrange();
  await expect(world.open(under(state))).rejects.toMatchObject(inProgress);
  expect(await world.ledger.grants.repeated(SHAPE.trust, SHAPE.subject, state)).toEqual({
    request_hash: 'h',
    grant_id: grant,
    state,
    in_time: true,
  });
});

test('a grant that is closed gives it back, to the same request alone', async () => {
  await close(await world.live(under('closed')));
  await expect(world.open(under('closed', 'another'))).rejects.toMatchObject(inProgress);
  const fresh = await world.open(under('closed'));
  expect(await world.ledger.grants.repeated(SHAPE.trust, SHAPE.subject, 'closed')).toMatchObject({
    grant_id: fresh.grant,
  });
});

test('so does a task that has ended, and no other', async () => {
  const open = (request_hash: string) => {
    const opening = world.openingTask();
    return world.ledger.tasks
      .open({ ...opening, idempotency: { key: 'task', request_hash } })
      .then(() => opening.task.id);
  };
  const task = await open('h');
  await expect(open('h')).rejects.toMatchObject(inProgress);
  await world.endTask(task);
  await expect(open('another')).rejects.toMatchObject(inProgress);
  const fresh = await open('h');
  expect(await world.ledger.tasks.repeated(SHAPE.trust, SHAPE.subject, 'task')).toMatchObject({ task_id: fresh });
});

test('another workload’s key is another key', async () => {
  await world.open(under('mine'));
  await world.open({ ...under('mine'), subject: 'spiffe://dev.local/agent/two' });
  await world.open({ ...under('mine'), trust: 'corp' });
  expect(await world.ledger.grants.repeated('mesh', 'spiffe://dev.local/agent/three', 'mine')).toBeUndefined();
});

test('a key past its grant’s time is not in time, before the end is on record', async () => {
  const grant = await world.live(under('late'));
  await world.age(grant.grant, 600);
  expect(await world.ledger.grants.repeated(SHAPE.trust, SHAPE.subject, 'late')).toMatchObject({
    state: 'active',
    in_time: false,
  });
});

test('forgotten after a day', async () => {
  await world.open(under('old'));
  await world.open(under('young'));
  await world.sql(`update idempotency_keys set created_at = created_at - interval '25 hours' where key = 'old'`);
  await world.ledger.reaping.housekeep();
  const left = await world.sql<{ key: string }>(`select key from idempotency_keys where key in ('old', 'young')`);
  expect(left).toEqual([{ key: 'young' }]);
});

describe('a repeat retires what was minted before', () => {
  const retire = (of: OpenedGrant, by = subject) => world.ledger.issuing.retireMints(of.grant, by, null);

  test('all of it, and the grant stays', async () => {
    const grant = await world.live();
    const renewal = await world.renew(grant);
    expect(await retire(grant)).toBe(2);
    expect(await world.grant(grant.grant)).toMatchObject({ state: 'active' });
    for (const mint of [grant.mint, renewal.mint]) {
      expect(await world.mint(mint)).toMatchObject({ state: 'ending' });
      expect(await world.ledger.grants.mintIsActive(mint)).toBe(false);
    }
    expect(await retire(grant)).toBe(2); // still to be ended
    for (const claim of await world.ledger.reaping.claim({
      grant: grant.grant,
      owner: 'me',
      limit: 9,
      lease_seconds: 30,
    })) {
      await world.ledger.reaping.close(claim.mint, claim.epoch, 'ended', false);
    }
    expect(await retire(grant)).toBe(0);
  });

  test.each([
    { name: 'another’s', arrange: () => world.live(), by: { trust: 'mesh', id: 'somebody else' }, code: 'not_found' },
    {
      name: 'of another trust entry',
      arrange: () => world.live(),
      by: { ...subject, trust: 'corp' },
      code: 'not_found',
    },
    { name: 'not active yet', arrange: () => world.open(), by: subject, code: 'grant_not_active' },
    {
      name: 'past its end',
      arrange: async () => {
        const grant = await world.live();
        await world.age(grant.grant, 600);
        return grant;
      },
      by: subject,
      code: 'grant_not_active',
    },
    {
      name: 'with a mint under way',
      arrange: async () => {
        const grant = await world.live();
        await world.ledger.issuing.openMint(world.openingMint(grant, 'renewal'));
        return grant;
      },
      by: subject,
      code: 'request_in_progress',
    },
  ])('$name: $code', async ({ arrange, by, code }) => {
    await expect(retire(await arrange(), by)).rejects.toMatchObject({ name: 'Refusal', code });
  });

  test('nothing is minted again while anything of it lives', async () => {
    const grant = await world.live();
    const replace = () => world.renew(grant, 'replacement', 300);
    await expect(replace()).rejects.toMatchObject(inProgress);
    await retire(grant);
    await expect(replace()).rejects.toMatchObject(inProgress);
    const { mint, epoch } = await world.claim(grant);
    await world.ledger.reaping.close(mint, epoch, 'ended', false);
    await replace();
    // a second repeat that had seen the first mint end comes too late
    await expect(replace()).rejects.toMatchObject(inProgress);
  });
});
