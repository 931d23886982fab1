import type { GrantId } from '../../src/domain/ids.ts';
import { makeReplace } from '../../src/exchange/repeat.ts';
import { OPERATOR } from '../ledger/world.ts';
import { deferred } from '../support/deferred.ts';
import { until } from '../support/waiting.ts';
import { caller, codeOf, lives, makeWorld, operator, REQUEST, unclear } from './world.ts';
import type { World } from './world.ts';

/** A repeat ends what was minted before, waits until that is confirmed, and only then mints again (CORRECTNESS, *Who may say what*). */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  await world.record.calm();
});

const ask = (key: string, requestHash = 'h', by = caller()) =>
  world.issueOnce(by, { ...REQUEST, idempotency: { key, requestHash } });
const livingOf = async (grant: string) => {
  const mints = await world.record.sql<{ id: string }>('select id from mints where grant_id = $1', [grant]);
  return mints.filter(({ id }) => [...world.provider.living.keys()].some((mint) => mint === id)).length;
};

test('the same grant with another credential, and the earlier one has ended by then', async () => {
  const first = await ask('same');
  const seen: boolean[] = [];
  world.provider.before = (call) => {
    if (call === 'mint') seen.push(lives(world.provider, first));
  };
  const second = await ask('same');
  expect(seen).toEqual([false]);
  expect(second.grant).toBe(first.grant);
  expect(lives(world.provider, second)).toBe(true);
  expect(second.expiresAt.getTime()).toBeLessThanOrEqual(first.expiresAt.getTime());
  const view = await world.context.ledger.grants.find(first.grant);
  expect(view?.mints.map(({ kind, state, outcome }) => ({ kind, state, outcome }))).toEqual([
    { kind: 'first', state: 'ended', outcome: 'ended' },
    { kind: 'replacement', state: 'live', outcome: null },
  ]);
  expect(await ask('same')).toMatchObject({ grant: first.grant });
  expect(await livingOf(first.grant)).toBe(1);
});

test('renewals are ended too', async () => {
  const first = await ask('renewed');
  const renewed = await world.renew(caller(), { grant: first.grant });
  await ask('renewed');
  expect([lives(world.provider, first), lives(world.provider, renewed), await livingOf(first.grant)]).toEqual([
    false,
    false,
    1,
  ]);
});

test('of a grant that was taken back meanwhile is refused, and an alarm', async () => {
  const first = await ask('taken', 'h', caller('taken'));
  const selector = { kind: 'agent', value: caller('taken').identity.id } as const;
  await world.orders.create(operator(), { selector, reason: 'incident 7', blocks: true });
  expect(await codeOf(ask('taken', 'h', caller('taken')))).toBe('under_order');
  expect(world.alerts.at(-1)).toMatchObject({ how: 'issue', grant: first.grant, by: { id: selector.value } });
});

test('of a grant that ends before its earlier credential can be is refused, and on record', async () => {
  const first = await ask('over');
  const { ledger } = world.context;
  // between the look at the key and the retiring
  const retireMints: typeof ledger.issuing.retireMints = async (...args) => {
    await ledger.issuing.endGrant({
      grant: first.grant,
      why: 'revocation',
      reason: 'done',
      actor: OPERATOR,
      origin: null,
    });
    return ledger.issuing.retireMints(...args);
  };
  const context = { ...world.context, ledger: { ...ledger, issuing: { ...ledger.issuing, retireMints } } };
  const replace = makeReplace(context, world.parts, () => Promise.resolve());
  expect(await codeOf(replace(caller(), first.grant))).toBe('grant_not_active');
  expect(
    await world.record.sql(`select action, outcome, code from decisions where grant_id = $1 and outcome = 'deny'`, [
      first.grant,
    ]),
  ).toEqual([{ action: 'issue', outcome: 'deny', code: 'grant_not_active' }]);
});

test('without a key each request is its own', async () => {
  const [one, two] = [await world.issueOnce(caller(), REQUEST), await world.issueOnce(caller(), REQUEST)];
  expect(one.grant).not.toBe(two.grant);
});

test.each([
  { name: 'another request', hash: 'other', by: caller(), code: 'idempotency_key_reused' },
  { name: 'another workload’s key of the same name', hash: 'other', by: caller('another'), code: 'done' },
])('$name: $code', async ({ name, hash, by, code }) => {
  const first = await ask(name);
  expect(await codeOf(ask(name, hash, by))).toBe(code);
  expect(lives(world.provider, first)).toBe(true);
});

test('first requests at once: one is issued, the others are told to wait', async () => {
  const slow = deferred<void>();
  world.provider.before = (call) => (call === 'mint' ? slow.promise : undefined);
  const waiting: unknown[] = [];
  const codes = Array.from({ length: 6 }, async () => waiting.push(await codeOf(ask('first'))));
  await until(() => waiting.length === 5);
  slow.resolve();
  await Promise.all(codes);
  expect(waiting).toEqual([...Array.from({ length: 5 }, () => 'request_in_progress'), 'done']);
});

test('repeats at once: whatever each is told, one credential lives in the end', async () => {
  const first = await ask('repeats');
  const answers = await Promise.allSettled(Array.from({ length: 8 }, () => ask('repeats')));
  const given = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  for (const each of answers)
    if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'request_in_progress' });
  expect(given.length).toBeGreaterThan(0);
  expect(await livingOf(first.grant)).toBe(1);
  expect(given.filter((issued) => lives(world.provider, issued))).toHaveLength(1);
});

test('a repeat that saw the earlier credential end, and comes after another that saw it too', async () => {
  const first = await ask('both');
  const held = world.proxy.hold({
    from: 'frontend',
    match: ({ type, sql }) => type === 'B' && sql.includes('open_mint'),
  });
  const late = codeOf(ask('both'));
  await held.reached;
  expect(await ask('both')).toMatchObject({ grant: first.grant });
  held.release();
  expect(await late).toBe('request_in_progress');
  expect(await livingOf(first.grant)).toBe(1);
});

test('while the earlier credential’s end is not confirmed nothing is minted', async () => {
  const first = await ask('unconfirmed');
  world.provider.before = (call) => {
    if (call === 'end') throw unclear();
  };
  const minted = () => world.provider.calls.filter(({ call }) => call === 'mint').length;
  const before = minted();
  expect(await codeOf(ask('unconfirmed'))).toBe('request_in_progress');
  expect(await codeOf(ask('unconfirmed'))).toBe('request_in_progress');
  expect([minted(), lives(world.provider, first)]).toEqual([before, true]);
  world.provider.recover();
  await world.record.age(first.grant, 5);
  expect(await ask('unconfirmed')).toMatchObject({ grant: first.grant });
  expect(lives(world.provider, first)).toBe(false);
});

test.each([
  {
    name: 'closed',
    arrange: (grant: GrantId) =>
      world.revoke({ grant, reason: 'r', actor: { kind: 'system', name: 'test' }, origin: null }),
    answer: 'fresh',
  },
  { name: 'ending', arrange: (grant: GrantId) => world.record.revoke({ grant }), answer: 'request_in_progress' },
  { name: 'past its end', arrange: (grant: GrantId) => world.record.age(grant, 300), answer: 'request_in_progress' },
])('its grant is $name: $answer', async ({ name, arrange, answer }) => {
  const first = await ask(name);
  await arrange(first.grant);
  const second = await ask(name).then(
    ({ grant }) => (grant === first.grant ? 'the same' : 'fresh'),
    (error: unknown) => (error as { code: string }).code,
  );
  expect(second).toBe(answer);
});

test('a request that failed for good gives its key back', async () => {
  world.provider.before = (call) => {
    if (call === 'mint') throw unclear();
  };
  expect(await codeOf(ask('failed'))).toBe('provider_timeout');
  world.provider.recover();
  let code: unknown;
  do code = await codeOf(ask('failed'));
  while (code === 'request_in_progress'); // the end of what may have been is under way
  expect(code).toBe('done');
});
