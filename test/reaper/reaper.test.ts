import type { GrantId } from '../../src/domain/ids.ts';
import { startReaper } from '../../src/reaper/index.ts';
import type { Reaper } from '../../src/reaper/index.ts';
import { caller, lives, makeWorld, PROFILE, REQUEST, startProcess, unclear } from '../exchange/world.ts';
import type { World } from '../exchange/world.ts';
import { deferred } from '../support/deferred.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { isOpen, until } from '../support/waiting.ts';

const other = memoryProvider({ name: 'other' });
let world: World;
const reapers: Reaper[] = [];
beforeAll(async () => {
  world = await makeWorld({ others: [other] });
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  other.recover();
  await Promise.all(reapers.splice(0).map((reaper) => reaper.stop()));
  await world.record.calm();
  await world.activate({});
});

function start(process: Pick<World, 'context' | 'settle'> = world): Reaper {
  const reaper = startReaper(process.context, process.settle);
  reapers.push(reaper);
  return reaper;
}
const SHORT = { ...PROFILE, ttl: { default: 2, max: 60, min: 1 } };
const issue = (profile = PROFILE.name) => world.issue(caller(), { ...REQUEST, profile });
const state = async (grant: GrantId) => (await world.record.grant(grant)).state;
const ends = () => world.provider.calls.filter(({ call }) => call === 'end');
const becomes = (grant: GrantId, want: string) => until(async () => (await state(grant)) === want);

test('expiry is on record within a second of its time, and what expired works no longer', async () => {
  await world.activate({ profiles: [SHORT] });
  start();
  const issued = await Promise.all(Array.from({ length: 20 }, () => issue()));
  await Promise.all(issued.map(({ grant }) => becomes(grant, 'expired')));
  expect(issued.filter((each) => lives(world.provider, each))).toEqual([]);
  const late = await world.record.sql<{ late: number }>(
    `select extract(epoch from events.at - expires_at)::float8 as late from events join grants on grants.id = grant_id
      where type = 'grant.ending' and grant_id = any($1)`,
    [issued.map(({ grant }) => grant)],
  );
  expect(late).toHaveLength(20);
  for (const { late: seconds } of late) {
    expect(seconds).toBeGreaterThanOrEqual(0);
    expect(seconds).toBeLessThan(1);
  }
});

test('what a dead process left: an intent past its deadline, a claim past its lease', async () => {
  const intent = await world.record.open({ provider: 'memory' });
  await world.record.age(intent.grant, 16);
  const claimed = await issue();
  await world.record.revoke(claimed);
  await world.record.claim(claimed, 'dead');
  await world.record.age(claimed.grant, 31);
  start();
  await becomes(intent.grant, 'failed');
  await becomes(claimed.grant, 'revoked');
  expect(lives(world.provider, claimed)).toBe(false);
});

test('an order is swept and its grants ended, without anybody’s call', async () => {
  start();
  const issued = await Promise.all([issue(), issue(), issue()]);
  const order = await world.record.order({ kind: 'profile', value: PROFILE.name });
  await Promise.all(issued.map(({ grant }) => becomes(grant, 'revoked')));
  await until(async () => (await world.orders.show(order)).state === 'complete');
  expect(await world.orders.show(order)).toMatchObject({ matched: 3, byProvider: { memory: { revoked: 3 } } });
  const [slowest] = await world.record.sql<{ seconds: number }>(
    `select max(extract(epoch from closed_at - created_at))::float8 as seconds from grants join orders on orders.id = order_id where order_id = $1`,
    [order],
  );
  expect(slowest?.seconds).toBeLessThan(1);
});

test('a provider that does not come back holds up its own ends alone', async () => {
  await world.activate({ profiles: [PROFILE, { ...PROFILE, name: 'other', provider: 'other' }] });
  const stuck = deferred<void>();
  world.provider.before = (call) => (call === 'end' ? stuck.promise : undefined);
  const waiting = await Promise.all(Array.from({ length: 40 }, () => issue()));
  for (const { grant } of waiting) await world.record.revoke({ grant });
  const before = ends().length;
  start();
  await until(() => ends().length >= before + 8);
  const quick = await issue('other');
  await world.record.revoke(quick);
  await becomes(quick.grant, 'revoked');
  expect(ends().length).toBeLessThan(before + 40); // many at once, and not all
  expect(await Promise.all(waiting.map(({ grant }) => state(grant)))).toEqual(waiting.map(() => 'ending'));
  stuck.resolve();
  await Promise.all(waiting.map(({ grant }) => becomes(grant, 'revoked')));
});

test('a provider that fails is tried on past the alarm, until it is confirmed', async () => {
  const { grant } = await issue();
  world.provider.before = (call) => {
    if (call === 'end') throw unclear();
  };
  await world.record.revoke({ grant });
  const reaper = start();
  const attempts = async () => (await world.context.ledger.grants.find(grant))?.mints[0]?.attempts ?? 0;
  const pauseGoesBy = () => world.record.sql('update mints set due_at = now() where grant_id = $1', [grant]);
  for (let n = 1; n <= 9; n++) {
    await until(async () => (await attempts()) >= n);
    await pauseGoesBy();
    reaper.wake();
  }
  expect(await state(grant)).toBe('stuck');
  world.provider.recover();
  await pauseGoesBy();
  await becomes(grant, 'revoked');
});

test('follows the rules without a notice', async () => {
  start();
  const number = await world.record.activateRules(JSON.stringify({ note: 'followed' }));
  await until(() => world.context.rules.status().loaded === number);
});

test('two replicas at once end each mint once, and one goes on when the other stops', async () => {
  const second = await startProcess(world.proxy.url, [world.provider, other]);
  const first = start();
  start(second);
  const before = ends().length;
  const issued = await Promise.all(Array.from({ length: 20 }, () => issue()));
  await Promise.all(issued.slice(0, 10).map(({ grant }) => world.record.revoke({ grant })));
  await Promise.all(issued.slice(0, 10).map(({ grant }) => becomes(grant, 'revoked')));
  await first.stop();
  await Promise.all(issued.slice(10).map(({ grant }) => world.record.revoke({ grant })));
  await Promise.all(issued.map(({ grant }) => becomes(grant, 'revoked')));
  expect(ends().slice(before)).toHaveLength(20);
  await Promise.all(reapers.splice(0).map((reaper) => reaper.stop()));
  await second.close();
});

describe('stopping', () => {
  test('waits for the ends under way, and begins no other', async () => {
    const slow = deferred<void>();
    world.provider.before = (call) => (call === 'end' ? slow.promise : undefined);
    const { grant } = await issue();
    await world.record.revoke({ grant });
    const before = ends().length;
    const reaper = start();
    await until(() => ends().length > before);
    const stopped = reaper.stop();
    const next = await issue();
    await world.record.revoke(next);
    expect(await isOpen(stopped)).toBe(true);
    slow.resolve();
    await stopped;
    expect([await state(grant), await state(next.grant)]).toEqual(['revoked', 'ending']);
    expect((await world.record.mint((await world.record.claim(next)).mint)).claimed_by).toBe('one');
  });

  test('works while the ledger is away', async () => {
    const reaper = start();
    world.proxy.refuse();
    world.proxy.drop();
    await until(() => world.warnings.some(({ code }) => code === 'ledger_unavailable'));
    await reaper.stop();
    await world.proxy.resume();
  });
});

test('a ledger that was away: goes on by itself', async () => {
  const { grant } = await issue();
  start();
  world.proxy.refuse();
  world.proxy.drop();
  await world.record.revoke({ grant });
  expect(await state(grant)).toBe('ending');
  await world.proxy.resume();
  await becomes(grant, 'revoked');
});

test('keeps house when it starts: partitions ahead, old keys forgotten', async () => {
  const ahead = () =>
    world.record.sql<{ name: string }>(
      `select relname as name from pg_class where relname like 'events\\_2%' and relkind = 'r' order by 1`,
    );
  const [, ...dropped] = await ahead();
  for (const { name } of dropped) await world.record.sql(`drop table ${name}`);
  await world.issueOnce(caller(), { ...REQUEST, idempotency: { key: 'old', requestHash: 'h' } });
  await world.record.sql(`update idempotency_keys set created_at = now() - interval '25 hours'`);
  start();
  await until(async () => (await ahead()).length === 1 + dropped.length);
  await until(async () => (await world.record.sql('select 1 from idempotency_keys')).length === 0);
});

test('what no process here can end any more becomes stuck, so that it is seen', async () => {
  const gone = await world.record.live({ provider: 'gone' });
  await world.record.revoke(gone);
  start();
  // Each attempt waits until nobody else has come for a minute; the eighth is an alarm.
  await until(async () => {
    await world.record.sql(
      `update mints set due_at = now() - interval '61 seconds' where id = $1 and claimed_by is null`,
      [gone.mint],
    );
    return (await state(gone.grant)) === 'stuck';
  });
  expect(await world.record.mint(gone.mint)).toMatchObject({ state: 'ending', last_error: 'provider_unreachable' });
}, 120_000);
