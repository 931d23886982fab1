import { setTimeout as sleep } from 'node:timers/promises';
import { makeIssue } from '../../src/exchange/issue.ts';
import { makeMinting } from '../../src/exchange/minting.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { until } from '../support/waiting.ts';
import { caller, codeOf, lives, makeWorld, REQUEST } from './world.ts';
import type { World } from './world.ts';

/** What a provider makes ready while the intent is being committed, and that it goes out after that alone (DESIGN, promise 1). */
let world: World;
beforeAll(async () => {
  world = await makeWorld({ provider: memoryProvider({ has: ['mintWhen'] }) });
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  await world.record.calm();
});

const minted = () => world.provider.calls.filter(({ call }) => call === 'mint').map(({ mint }) => mint);

test.each(['issued', 'renewed'] as const)(
  '%s: readied before the commit is known of, and asked for after it',
  async (how) => {
    const first = how === 'renewed' && (await world.issue(caller(), REQUEST));
    const [asked, ready] = [minted().length, world.provider.readied.length];
    const held = world.proxy.hold({
      from: 'backend',
      match: ({ type, sql }) => type === 'C' && sql.includes(first ? 'open_mint' : 'open_grant'),
    });
    const issuing = first ? world.renew(caller(), { grant: first.grant }) : world.issue(caller(), REQUEST);
    await held.reached;
    await until(() => world.provider.readied.length > ready);
    expect(minted()).toHaveLength(asked);
    held.release();
    expect(lives(world.provider, await issuing)).toBe(true);
    expect(minted().slice(asked)).toEqual(world.provider.readied.slice(ready));
  },
);

test('an intent that is refused: what was readied for it is dropped, and nothing of it is to be ended', async () => {
  const who = 'spiffe://dev.local/agent/ordered';
  await world.record.order({ kind: 'agent', value: who });
  const [asked, ready, warned] = [minted().length, world.provider.readied.length, world.warnings.length];
  expect(await codeOf(world.issue(caller(who), REQUEST))).toBe('under_order');
  await until(() => world.provider.readied.length > ready);
  await world.drain();
  expect(minted()).toHaveLength(asked);
  expect(
    await world.record.sql('select id from mints where id = any ($1)', [world.provider.readied.slice(ready)]),
  ).toEqual([]);
  expect(world.warnings.slice(warned)).toEqual([]);
});

test('the provider has its whole time, however long the commit took', async () => {
  const mintAndActivate = makeMinting(world.context, world.giveUp, 1_000);
  const issue = makeIssue(world.context, { ...world.parts, mintAndActivate });
  let late: boolean | undefined;
  world.provider.before = (_call, _mint, signal) => void (late = signal.aborted);
  const held = world.proxy.hold({
    from: 'backend',
    match: ({ type, sql }) => type === 'C' && sql.includes('open_grant'),
  });
  const issuing = issue(caller(), REQUEST);
  await held.reached;
  await sleep(1_200); // longer than the provider has, and shorter than a statement
  held.release();
  await issuing;
  expect(late).toBe(false);
});
