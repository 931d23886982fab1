import pg from 'pg';
import type { ApprovalId, MintId } from '../../src/domain/ids.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { fillWithCopies } from './fill.ts';
import { pagesOf } from './pages.ts';
import { ids, makeWorld, OPERATOR, SHAPE } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

/** DESIGN, promise 9: what issuing, ending and starting again cost does not depend on how many grants live. */
const COPIES = 100_000;
/** Trees grow with what is in them: so many times as many pages as in an empty ledger are still no scan. */
const GROWTH = 3;
const TREES = 20;

let world: World;
let client: pg.Client;
let live: OpenedGrant;
let answered: ApprovalId;
const opened: MintId[] = [];

beforeAll(async () => {
  world = await makeWorld();
  client = new pg.Client({ connectionString: world.database.brokerUrl });
  await client.connect();
  live = await world.live();
  const denied = await world.pending();
  await world.answer(denied, 'deny');
  answered = denied.approval;
});
afterAll(async () => {
  await client.end();
  await world.close();
});

interface Explained {
  readonly 'QUERY PLAN': [{ readonly Plan: Readonly<Record<'Shared Hit Blocks' | 'Shared Read Blocks', number>> }];
}

/** Pages that a call touches, in everything that it runs. */
async function pages(sql: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await client.query<Explained>(`explain (analyze, buffers, format json) ${sql}`, [...values]);
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  if (!plan) throw new Error('no plan');
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

interface Call {
  readonly name: string;
  readonly sql: string;
  readonly values: () => readonly unknown[];
}

const one = (name: string, argument: () => object): Call => ({
  name,
  sql: `select ${name}($1)`,
  values: () => [JSON.stringify(argument())],
});
const CALLS: readonly Call[] = [
  one('open_grant', () => {
    const opening = world.opening();
    opened.push(opening.mint.id);
    return opening;
  }),
  one('activate_mint', () => ({ mint: opened.pop(), epoch: 1, handle: {}, expires_at: '', origin: null })),
  one('claim_mints', () => ({ provider: SHAPE.provider, owner: 'one', limit: 8, lease_seconds: 30 })),
  one('claim_cleanups', () => ({ provider: SHAPE.provider, limit: 8, lease_seconds: 30 })),
  { name: 'advance_due', sql: 'select advance_due($1)', values: () => [500] },
  { name: 'lapse_approvals', sql: 'select lapse_approvals($1)', values: () => [500] },
  { name: 'mint_is_active', sql: 'select mint_is_active($1)', values: () => [live.mint] },
];

/** The least of some calls in a row on one connection: the first ones plan, and later ones may have settled on another plan. */
async function costs(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { name, sql, values } of CALLS) {
    const each: number[] = [];
    for (let call = 0; call < 8; call++) each.push(await pages(sql, values()));
    found[name] = Math.min(...each);
  }
  return found;
}

/** A process starts, issues, ends, looks round as the reaper does, and goes. */
async function wholeLife(ledger: Ledger): Promise<void> {
  const clock = await ledger.startClock(() => Date.now());
  const started = [ledger.generations.activeNumber, ledger.generations.active, ledger.signingKeys.list];
  for (const call of [...started, ledger.reaping.housekeep]) await call();
  for (const order of await ledger.reaping.unsweptOrders()) await ledger.reaping.sweep(order, 500);
  await ledger.reaping.due([SHAPE.provider]);
  await ledger.reaping.advanceDue(500);
  await ledger.tasks.advance(500);
  await ledger.approvals.lapse(500);
  await ledger.reaping.cleanAgain([ids.mint()]);
  await ledger.reaping.overdueSeconds();
  const opening = world.opening();
  await ledger.grants.liveCount(SHAPE.trust, SHAPE.subject, 1000);
  await ledger.grants.repeated(SHAPE.trust, SHAPE.subject, 'key');
  await ledger.issuing.openGrant(opening);
  await ledger.issuing.activate(opening.mint.id, 1, {}, new Date(), null);
  const { id: grant } = opening.grant;
  await ledger.grants.find(grant);
  await ledger.grants.list({}, 100);
  await ledger.issuing.endGrant({ grant, why: 'revocation', reason: 'done', actor: OPERATOR, origin: null });
  for (const by of [{ provider: SHAPE.provider }, { grant }]) {
    const claims = await ledger.reaping.claim({ ...by, owner: 'one', limit: 8, lease_seconds: 30 });
    for (const { mint, epoch } of claims) await ledger.reaping.close(mint, epoch, 'ended', true);
  }
  const cleanups = await ledger.reaping.claimCleanups(SHAPE.provider, 1, 120);
  for (const { mint } of cleanups) await ledger.reaping.finishCleanup(mint);
  clock.close();
}

const tooMuch = (empty: Record<string, number>, full: Record<string, number>) =>
  Object.entries(full).filter(([name, cost]) => cost > (empty[name] ?? 0) * GROWTH + TREES);

test('the hot calls, and a whole life of a process', async () => {
  const empty = { ...(await costs()), life: await pagesOf(world, wholeLife) };
  await fillWithCopies(world, live, COPIES, answered);
  expect(tooMuch(empty, await costs())).toEqual([]);
  await world.sql('analyze');
  expect(tooMuch(empty, { ...(await costs()), life: await pagesOf(world, wholeLife) })).toEqual([]);
});
