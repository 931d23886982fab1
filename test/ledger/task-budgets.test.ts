import { makeWorld } from './world.ts';
import type { World } from './world.ts';

/** What is left of a budget is held where a part is handed on, whatever whoever asked has seen of it before. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

test.each(['max_grants', 'max_calls'] as const)('%s: no more than is left', async (budget) => {
  const parent = await world.task({ [budget]: 3 });
  const used = budget === 'max_grants' ? 'grants_used' : 'calls_used';
  await world.sql(`update tasks set ${used} = 1 where id = $1`, [parent]);
  const take = (amount: number, subject: string) => world.task({ parent, [budget]: amount }, { subject });
  await expect(take(3, 'two')).rejects.toMatchObject({ code: 'task_budget_spent' });
  await expect(take(2, 'three')).resolves.toMatch(/^t/);
});
