import { codeOf } from '../exchange/world.ts';
import { makeWorld } from './world.ts';
import type { PendingGrant, World } from './world.ts';

/** What is held once more in the transaction that turns an approval into a credential, whatever was seen before it. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const claim = (of: PendingGrant, change: Partial<ReturnType<World['claimOf']>> = {}) =>
  codeOf(world.ledger.issuing.claimGrant({ ...world.claimOf(of), ...change }));
async function approved(change: Parameters<World['pending']>[0] = {}): Promise<PendingGrant> {
  const waiting = await world.pending(change);
  await world.answer(waiting);
  return waiting;
}

test('exactly what was asked', async () => {
  const waiting = await approved();
  expect(await claim(waiting, { asked_hash: 'other' })).toBe('approval_required');
  expect(await claim(waiting, { approval: (await approved()).approval })).toBe('approval_required');
  expect(await claim(waiting)).toBe('done');
});

test('a budget is spent by the claim, and not by who waits for an answer', async () => {
  const task = await world.task({ max_grants: 1 });
  const [one, two] = [await approved({ task }), await approved({ task })];
  expect(await world.sql('select grants_used from tasks where id = $1', [task])).toEqual([{ grants_used: 0 }]);
  expect([await claim(one), await claim(two)]).toEqual(['done', 'task_budget_spent']);
});

test('a task that has ended, though nobody has come to end what hangs off it', async () => {
  const task = await world.task();
  const waiting = await approved({ task });
  await world.endTask(task, 0);
  expect((await world.grant(waiting.grant)).state).toBe('pending_approval');
  expect(await claim(waiting)).toBe('task_ended');
});

test('a key is of one claim', async () => {
  const idempotency = { key: 'claim', request_hash: 'h' };
  const [one, two] = [await approved(), await approved()];
  expect([await claim(one, { idempotency }), await claim(two, { idempotency })]).toEqual([
    'done',
    'request_in_progress',
  ]);
  expect((await world.grant(two.grant)).state).toBe('pending_approval');
});

test('a grant hangs off a task of its own workload alone, of its trust entry', async () => {
  const task = await world.task();
  expect(await codeOf(world.open({ task, subject: 'two' }))).toBe('task_not_found');
  expect(await codeOf(world.open({ task, trust: 'other' }))).toBe('task_not_found');
  expect(await codeOf(world.open({ task }))).toBe('done');
});
