import { startCalls, reasonOf } from './world.ts';
import type { Calls } from './world.ts';

let world: Calls;
beforeAll(async () => {
  world = await startCalls();
});
afterAll(() => world.close());

test('try', async () => {
  console.error(await world.evaluate(world.question({ context: { arguments: { text: 'x', limit: 3 } } })));
  const g = await world.grant();
  console.error(
    await world.evaluate(
      world.question({
        tool: 'refund',
        context: { grant: g.id, arguments: { order: '4711', amount: 9.99, note: 'hi' } },
      }),
    ),
  );
  console.error(
    JSON.stringify(
      await world.evaluate(
        world.question({
          tool: 'refund',
          context: { grant: g.id, arguments: { order: '4711', amount: 900, note: 'hi' } },
        }),
      ),
    ),
  );
  console.error(reasonOf(await world.evaluate(world.question({ tool: 'nope' }))));
  console.error(await world.rows('select * from decisions where action = $1', 'call'));
  console.error(await world.rows("select body from events where type = 'call.decided'"));
  console.error(
    JSON.stringify(
      await world.evaluateAll({
        ...world.question(),
        evaluations: [{}, { resource: { type: 'tool', id: 'x' } }, { resource: 5 }],
      }),
    ),
  );
});
