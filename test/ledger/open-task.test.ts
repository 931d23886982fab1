import type { TaskId } from '../../src/domain/ids.ts';
import { codeOf } from '../exchange/world.ts';
import { makeWorld, OPERATOR, SHAPE } from './world.ts';
import type { World } from './world.ts';

/** What the ledger itself holds of a task that is made, handed on or ended; a namesake of another trust entry is somebody else. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

test('nobody takes a part of what they have on hand already, however far above', async () => {
  const root = await world.task();
  const parent = await world.task({ parent: root }, { subject: 'two' });
  const below = (shape: { trust?: string; subject: string }) => codeOf(world.task({ parent }, shape));
  expect(await below({ subject: SHAPE.subject })).toBe('delegation_loop');
  expect(await below({ subject: 'two' })).toBe('delegation_loop');
  expect(await below({ trust: 'other', subject: SHAPE.subject })).toBe('done');
  expect(await below({ subject: 'three' })).toBe('done');
});

test('what would be over at once is not made', async () => {
  const ends_at = new Date(Date.now() - 1_000).toISOString();
  expect(await codeOf(world.task({ ends_at }))).toBe('task_ended');
  expect(await codeOf(world.task({ ends_at, parent: await world.task() }, { subject: 'two' }))).toBe('task_ended');
});

test('it is ended by its workload, or by one above', async () => {
  const parent = await world.task();
  const task = await world.task({ parent }, { subject: 'two' });
  const end = (trust: string, id: string) =>
    codeOf(
      world.ledger.tasks.end({
        task,
        subject: { trust, id },
        why: 'ended',
        reason: 'done',
        actor: OPERATOR,
        origin: null,
        batch: 1,
      }),
    );
  expect(await end('other', 'two')).toBe('not_found');
  expect(await end('other', SHAPE.subject)).toBe('not_found');
  expect(await end(SHAPE.trust, 'three')).toBe('not_found');
  expect(await end(SHAPE.trust, SHAPE.subject)).toBe('done');
  expect(await end(SHAPE.trust, 'two')).toBe('done');
});

test.each<[string, (task: TaskId) => Promise<unknown>]>([
  ['its end, before anybody has come to end what hangs off it', (task) => world.endTask(task, 0)],
  ['its time', (task) => world.sql(`update tasks set ends_at = now() where id = $1`, [task])],
])('after %s no credential of it counts, and there is no other, which is on record', async (_name, end) => {
  const task = await world.task();
  const live = await world.live({ task });
  expect(await world.ledger.grants.mintIsActive(live.mint)).toBe(true);
  await end(task);
  expect(await world.ledger.grants.mintIsActive(live.mint)).toBe(false);
  expect((await world.grant(live.grant)).state).toBe('active');
  const opening = world.openingMint(live, 'renewal');
  expect(await codeOf(world.ledger.issuing.openMint(opening))).toBe('task_ended');
  expect(await world.sql('select outcome, code from decisions where id = $1', [opening.decision.id])).toEqual([
    { outcome: 'deny', code: 'task_ended' },
  ]);
});

test('what is used of it after its end is on record with why that was', async () => {
  const task = await world.task();
  await world.endTask(task);
  const by = { trust: 'mesh', subject: 'two', count: 1, origin: null };
  await world.ledger.tasks.noteUse({ ...by, grant: null, task, how: 'introspect' });
  const told = `select body::jsonb #>> '{facts,why}' as why from events where type = 'use.after_revocation' and task_id = $1`;
  expect(await world.sql(told, [task])).toEqual([{ why: 'ended' }]);
});
