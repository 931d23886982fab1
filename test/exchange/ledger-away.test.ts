import type { GrantId } from '../../src/domain/ids.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { until } from '../support/waiting.ts';
import { ALLOW, caller, codeOf, lives, makeWorld, REQUEST, unclear } from './world.ts';
import type { World } from './world.ts';

/**
 * The ledger goes away at each call of an issuance, before and after its commit: no credential comes out, service returns by
 * itself, and what may live is ended and closed (DESIGN, promises 1 to 3).
 */
let world: World;
beforeAll(async () => {
  world = await makeWorld({ provider: memoryProvider({ has: ['mintWhen'] }) });
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  await world.proxy.resume();
  await world.record.calm();
});

const away = () => {
  world.proxy.refuse();
  world.proxy.drop();
};
const newest = async (): Promise<GrantId | undefined> =>
  (await world.record.sql<{ id: GrantId }>('select id from grants order by opened_at desc limit 1'))[0]?.id;

/** The next statement of this function is lost on its way there, or its answer on its way back. */
function lose(statement: string, side: 'there' | 'back'): Promise<void> {
  const held = world.proxy.hold(
    side === 'there'
      ? { from: 'frontend', match: ({ type, sql }) => type === 'B' && sql.includes(statement) }
      : { from: 'backend', match: ({ type, sql }) => type === 'C' && sql.includes(statement) },
  );
  return held.reached.then(() => held.drop());
}

test.each([
  { statement: 'open_grant', side: 'there', grant: false, minted: false, ends: undefined },
  { statement: 'open_grant', side: 'back', grant: true, minted: false, ends: 'failed' },
  { statement: 'activate_mint', side: 'there', grant: true, minted: true, ends: 'failed' },
  { statement: 'activate_mint', side: 'back', grant: true, minted: true, ends: 'revoked' },
] as const)('$statement is lost on its way $side', async ({ statement, side, grant, minted, ends }) => {
  const [before, calls] = [await newest(), world.provider.calls.length];
  const lost = lose(statement, side);
  expect(await codeOf(world.issue(caller(), REQUEST))).toBe('ledger_unavailable');
  await lost;
  expect(world.provider.calls.slice(calls).some(({ call }) => call === 'mint')).toBe(minted);
  const opened = await newest();
  expect(opened !== before).toBe(grant);
  if (opened === undefined || ends === undefined) return;
  // where this process knows nothing of the mint, the reaper finds it by its deadline
  const state = async () => (await world.record.grant(opened)).state;
  if (!minted) await world.reap(opened, 16);
  await until(async () => (await state()) === ends);
  expect(world.provider.living.size).toBe(0);
  const next = await world.issue(caller(), REQUEST);
  expect(lives(world.provider, next)).toBe(true);
  await world.revoke({ grant: next.grant, reason: 'done', actor: { kind: 'system', name: 'test' }, origin: null });
});

describe('several share a statement that is lost', () => {
  /** The next one of this transition for several. */
  async function loseShared(transition: string, side: 'there' | 'back'): Promise<void> {
    const shared = (sql: string) => sql.includes('transitions_together');
    const there = world.proxy.hold({
      from: 'frontend',
      match: ({ type, sql, text }) => type === 'B' && shared(sql) && text.includes(transition),
    });
    const { connection } = await there.reached;
    if (side === 'there') {
      there.drop();
      return;
    }
    const back = world.proxy.hold({
      from: 'backend',
      match: (message) => message.type === 'C' && message.connection === connection && shared(message.sql),
    });
    there.release();
    await back.reached;
    back.drop();
  }

  test.each([
    { transition: 'open_grant', side: 'there', ends: [] },
    { transition: 'open_grant', side: 'back', ends: ['failed'] },
    { transition: 'activate_mint', side: 'there', ends: ['failed'] },
    { transition: 'activate_mint', side: 'back', ends: ['revoked'] },
  ] as const)('$transition on its way $side: nothing of them goes out, and all of them end', async (row) => {
    const { transition, side, ends } = row;
    const before = (await world.record.sql<{ id: GrantId }>('select id from grants')).map(({ id }) => id);
    const notActive = async () =>
      world.record.sql<{ id: GrantId; state: string }>(
        `select id, state from grants where state <> 'active' and not id = any ($1)`,
        [before],
      );
    const lost = loseShared(transition, side);
    const answers = await Promise.allSettled(Array.from({ length: 6 }, () => world.issue(caller(), REQUEST)));
    await lost;
    const issued = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const away = answers.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    expect(away.length).toBeGreaterThan(1);
    for (const error of away) expect(error).toMatchObject({ code: 'ledger_unavailable' });
    const wanted = ends.flatMap((end) => away.map(() => end));
    if (transition === 'open_grant') for (const { id } of await notActive()) await world.reap(id, 16);
    await until(async () => {
      const states = (await notActive()).map(({ state }) => state);
      return states.length === wanted.length && !states.some((state) => state === 'issuing' || state === 'ending');
    });
    expect((await notActive()).map(({ state }) => state)).toEqual(wanted);
    expect(world.provider.living.size).toBe(issued.length);
    for (const { grant } of issued)
      await world.revoke({ grant, reason: 'done', actor: { kind: 'system', name: 'test' }, origin: null });
    await until(() => world.provider.living.size === 0);
  });
});

test('giving up is lost on its way back: the lease ends, and the reaper takes over', async () => {
  world.provider.after = (call) => {
    if (call === 'mint') throw unclear();
  };
  const lost = lose('abandon_mint', 'back');
  expect(await codeOf(world.issue(caller(), REQUEST))).toBe('provider_timeout');
  await lost;
  world.provider.recover();
  const grant = (await newest()) as GrantId;
  await until(async () => (await world.record.grant(grant)).state === 'ending');
  expect(await world.reap(grant, 31)).toBe('failed');
  expect(world.provider.living.size).toBe(0);
});

test.each(['there', 'back'] as const)(
  'a renewal’s intent is lost on its way %s: what was there lives on',
  async (side) => {
    const first = await world.issue(caller(), REQUEST);
    const calls = world.provider.calls.length;
    const lost = lose('open_mint', side);
    expect(await codeOf(world.renew(caller(), { grant: first.grant }))).toBe('ledger_unavailable');
    await lost;
    expect(world.provider.calls).toHaveLength(calls);
    expect(await world.reap(first.grant, 16)).toBe('active');
    expect([lives(world.provider, first), world.provider.living.size]).toEqual([true, 1]);
    expect(await codeOf(world.renew(caller(), { grant: first.grant }))).toBe('done');
    await world.revoke({ grant: first.grant, reason: 'done', actor: { kind: 'system', name: 'test' }, origin: null });
  },
);

test('it stays away after the mint: what lives is ended as soon as it is back', async () => {
  world.provider.after = (call) => {
    if (call === 'mint') away();
  };
  expect(await codeOf(world.issue(caller(), REQUEST))).toBe('ledger_unavailable');
  world.provider.recover();
  const grant = await newest();
  expect(world.provider.living.size).toBe(1);
  expect((await world.record.grant(grant as GrantId)).state).toBe('issuing');
  await until(() => world.warnings.some(({ code }) => code === 'ledger_unavailable')); // tried once at least
  await world.proxy.resume();
  await until(async () => (await world.record.grant(grant as GrantId)).state === 'failed');
  expect(world.provider.living.size).toBe(0);
});

test('it is away when the provider is not sure either: the handle that was never learned is found again', async () => {
  world.provider.after = (call) => {
    if (call !== 'mint') return;
    away();
    throw new Error('cut');
  };
  await codeOf(world.issue(caller(), REQUEST));
  world.provider.recover();
  await world.proxy.resume();
  const grant = (await newest()) as GrantId;
  await until(async () => (await world.record.grant(grant)).state === 'failed');
  expect(world.provider.living.size).toBe(0);
});

test('a process that closes while the ledger is away does not wait; the reaper of another ends the mint', async () => {
  const closing = await makeWorld();
  closing.provider.after = (call) => {
    if (call !== 'mint') return;
    closing.proxy.refuse();
    closing.proxy.drop();
  };
  await codeOf(closing.issue(caller(), REQUEST));
  closing.provider.recover();
  await closing.drain();
  expect(closing.provider.living.size).toBe(1);
  await closing.proxy.resume();
  const [row] = await closing.record.sql<{ id: GrantId }>('select id from grants');
  expect(row && (await closing.reap(row.id, 16))).toBe('failed');
  expect(closing.provider.living.size).toBe(0);
  await closing.close();
});

test.each([
  {
    name: 'a refusal that cannot be put on record',
    call: () => world.issue(caller(), { ...REQUEST, profile: 'unknown' }),
  },
  { name: 'a denial that cannot be put on record', call: () => world.issue(caller(), REQUEST), deny: true },
  {
    name: 'a repeat',
    call: () => world.issueOnce(caller(), { ...REQUEST, idempotency: { key: 'k', requestHash: 'h' } }),
  },
  { name: 'a renewal', call: () => world.renew(caller(), { grant: 'g000000000000' as GrantId }) },
  {
    name: 'a revocation',
    call: () =>
      world.revoke({
        grant: 'g000000000000' as GrantId,
        reason: 'r',
        actor: { kind: 'system', name: 't' },
        origin: null,
      }),
  },
  { name: 'an order', call: () => world.orders.dryRun({ kind: 'all', value: '*' }) },
  {
    name: 'new rules',
    call: () =>
      world.apply({ operator: { issuer: 'i', subject: 's', display: '', roles: [] }, origin: null }, {}, false),
  },
])('$name: the ledger is what is missing', async ({ call, deny }) => {
  if (deny) await world.activate({ answer: { ...ALLOW, outcome: 'deny' } });
  away();
  const calls = world.provider.calls.length;
  expect(await codeOf(call())).toBe('ledger_unavailable');
  expect(world.provider.calls).toHaveLength(calls);
  await world.proxy.resume();
  await world.activate({});
});
