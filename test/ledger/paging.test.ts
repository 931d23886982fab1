import type { ApprovalId, ExceptionId, GrantId } from '../../src/domain/ids.ts';
import { answered, from, requested } from './excepting.ts';
import { makeWorld } from './world.ts';
import type { World } from './world.ts';

/** Lists go on behind the last of a page, also where that one no longer belongs to the list when it is asked for more. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id);

/** All pages of two; whatever ends a page is changed before the next one is asked for. */
async function walk(
  page: (limit: number, after?: string) => Promise<readonly { readonly id: string }[]>,
  change: (id: string) => Promise<unknown>,
): Promise<string[]> {
  const seen: string[] = [];
  for (let after: string | undefined; ;) {
    const ids = idsOf(await page(2, after));
    after = ids.at(-1);
    if (after === undefined) return seen;
    seen.push(...ids);
    await change(after);
  }
}

test('approvals that are answered meanwhile', async () => {
  const made: string[] = [];
  for (let n = 0; n < 7; n++) made.unshift((await world.pending()).approval);
  const list = (limit: number, after?: string) => world.ledger.approvals.list({ state: 'pending' }, limit, after);
  const all = idsOf(await list(100));
  expect(all).toEqual(made);
  expect(await walk(list, (id) => world.answer({ approval: id as ApprovalId }, 'deny'))).toEqual(all);
});

test('grants that end meanwhile', async () => {
  for (let n = 0; n < 7; n++) await world.live();
  const list = (limit: number, after?: string) => world.ledger.grants.list({ state: 'active' }, limit, after);
  const all = idsOf(await list(100));
  expect(all).toHaveLength(7);
  expect(await walk(list, (id) => world.revoke({ grant: id as GrantId }))).toEqual(all);
});

test('exceptions that are answered meanwhile', async () => {
  for (let n = 0; n < 7; n++) await requested(world, { reason: `r${n}`, ends_at: from(600) });
  const now = new Date();
  const list = (limit: number, after?: string) =>
    world.ledger.exceptions.list({ state: 'requested' }, now, limit, after);
  const all = idsOf(await list(100));
  expect(all).toHaveLength(7);
  expect(await walk(list, (id) => answered(world, id as ExceptionId, 'deny'))).toEqual(all);
});
