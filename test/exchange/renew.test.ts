import type { GrantId } from '../../src/domain/ids.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { ALLOW, caller, codeOf, lives, makeWorld, PROFILE, REQUEST } from './world.ts';
import type { World } from './world.ts';

let world: World;
const other = memoryProvider({ name: 'other' });
const alive = () => world.provider.living.size + other.living.size;
beforeAll(async () => {
  world = await makeWorld({ others: [other] });
});
afterAll(() => world.close());
afterEach(() => world.activate({}));

const issue = (ttlSeconds?: number) => world.issue(caller(), { ...REQUEST, ttlSeconds });
const renew = (grant: GrantId, ttlSeconds?: number, by = caller()) => world.renew(by, { grant, ttlSeconds });

test('decided again, on record as a renewal; the earlier credential keeps its own end', async () => {
  const first = await issue(120);
  const renewed = await renew(first.grant, 240);
  expect(renewed).toMatchObject({ grant: first.grant, task: first.task, ttl: { seconds: 240, decidedBy: 'request' } });
  expect([lives(world.provider, first), lives(world.provider, renewed)]).toEqual([true, true]);
  expect(renewed.expiresAt.getTime()).toBeGreaterThan(first.expiresAt.getTime());
  expect(renewed.decision.id).not.toBe(first.decision.id);
  const [decision] = await world.record.sql('select action, outcome from decisions where id = $1', [
    renewed.decision.id,
  ]);
  expect(decision).toEqual({ action: 'renew', outcome: 'allow' });
  const view = await world.context.ledger.grants.find(first.grant);
  expect(view?.mints.map(({ kind, state }) => ({ kind, state }))).toEqual([
    { kind: 'first', state: 'live' },
    { kind: 'renewal', state: 'live' },
  ]);
});

/** `PROFILE` gives 300 s by default, 900 at most from the beginning, and not less than 10. */
test('again and again, never past the maximum counted from the start', async () => {
  const { grant } = await issue();
  const seen: unknown[] = [];
  for (const seconds of [299, 299, 290, 2, 1]) {
    await world.record.age(grant, seconds);
    const renewed = await renew(grant).catch((error: unknown) => error);
    seen.push((renewed as { ttl?: unknown }).ttl ?? (renewed as { facts: unknown }).facts);
    const { opened_at, expires_at } = await world.record.grant(grant);
    expect(expires_at.getTime() - opened_at.getTime()).toBeLessThanOrEqual(PROFILE.ttl.max * 1000 + 1);
  }
  expect(seen).toMatchObject([
    { seconds: 300, decidedBy: 'profile_default' }, // in the final second
    { seconds: 300, decidedBy: 'profile_default' },
    { seconds: 11, decidedBy: 'profile_max' },
    { minimum: 10, decided_by: 'profile_max' },
    { minimum: 10, decided_by: 'profile_max' },
  ]);
});

/** What is no question about this grant, or none that can be read. */
const NO_DECISION: ReadonlySet<string> = new Set(['not_found', 'invalid_request']);

test.each([
  { name: 'another’s', arrange: async (grant: GrantId) => renew(grant, 60, caller('another')), code: 'not_found' },
  {
    name: 'a namesake’s of another trust entry',
    arrange: async (grant: GrantId) => renew(grant, 60, caller(undefined, { trust: 'corp' })),
    code: 'not_found',
  },
  { name: 'unknown', arrange: async () => renew('g000000000000' as GrantId), code: 'not_found' },
  {
    name: 'past its end, before the reaper came round',
    arrange: async (grant: GrantId) => {
      await world.record.age(grant, 300);
      return renew(grant);
    },
    code: 'grant_not_active',
  },
  {
    name: 'revoked',
    arrange: async (grant: GrantId) => {
      await world.record.revoke({ grant });
      return renew(grant);
    },
    code: 'grant_not_active',
  },
  {
    name: 'no longer permitted',
    arrange: async (grant: GrantId) => {
      await world.activate({ answer: { ...ALLOW, outcome: 'deny' } });
      return renew(grant);
    },
    code: 'policy_denied',
  },
  {
    name: 'of a profile that is no longer offered',
    arrange: async (grant: GrantId) => {
      await world.activate({ profiles: [] });
      return renew(grant);
    },
    code: 'unknown_profile',
  },
  {
    name: 'of parameters that are no longer accepted',
    arrange: async (grant: GrantId) => {
      await world.activate({ profiles: [{ ...PROFILE, parameters: { region: { pattern: 'eu', optional: false } } }] });
      return renew(grant);
    },
    code: 'invalid_request',
  },
  {
    name: 'by somebody who is vouched for a moment only',
    arrange: async (grant: GrantId) =>
      renew(grant, 60, caller(undefined, { vouchedUntil: new Date(Date.now() + 5_000) })),
    code: 'ttl_below_minimum',
  },
])('$name: $code, on record with its grant, and what was there is as it was', async ({ arrange, code }) => {
  const first = await issue();
  expect(await codeOf(arrange(first.grant))).toBe(code);
  expect(lives(world.provider, first)).toBe(true);
  expect(await world.record.sql('select 1 from mints where grant_id = $1', [first.grant])).toHaveLength(1);
  const sql = `select action, outcome, code, task_id from decisions where grant_id = $1 and code is not null`;
  expect(await world.record.sql(sql, [first.grant])).toEqual(
    NO_DECISION.has(code) ? [] : [{ action: 'renew', outcome: 'deny', code, task_id: first.task }],
  );
});

test.each([
  { what: 'provider', profile: { ...PROFILE, provider: 'other' } },
  { what: 'owner', profile: { ...PROFILE, owner: 'sales' } },
  { what: 'environment', profile: { ...PROFILE, environment: 'staging' } },
])('of a profile that has another $what now: nothing is minted that nobody would find', async ({ what, profile }) => {
  const first = await issue();
  const before = alive();
  await world.activate({ profiles: [profile] });
  const said = await renew(first.grant).catch((error: unknown) => error);
  expect(said).toMatchObject({ code: 'grant_not_active', facts: { changed: [what] } });
  expect(alive()).toBe(before);
  const { id } = (said as { facts: { decision: { id: string } } }).facts.decision;
  expect(await world.record.sql('select action, outcome, code from decisions where id = $1', [id])).toEqual([
    { action: 'renew', outcome: 'deny', code: 'grant_not_active' },
  ]);
});

test('two at once: one is minted', async () => {
  const { grant } = await issue();
  const codes = await Promise.all([codeOf(renew(grant)), codeOf(renew(grant)), codeOf(renew(grant))]);
  expect(codes).toContain('done');
  expect(codes.filter((code) => code !== 'done' && code !== 'request_in_progress')).toEqual([]);
});

test('the rules of now: another maximum of the profile counts from the grant’s beginning too', async () => {
  const { grant } = await issue();
  await world.record.age(grant, 200);
  await world.activate({ profiles: [{ ...PROFILE, ttl: { default: 300, max: 260, min: 10 } }] });
  expect((await renew(grant)).ttl).toMatchObject({ decidedBy: 'profile_max', seconds: expect.any(Number) });
  const { opened_at, expires_at } = await world.record.grant(grant);
  expect(Math.round((expires_at.getTime() - opened_at.getTime()) / 1000)).toBeLessThanOrEqual(300);
});
