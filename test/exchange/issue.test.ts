import { makeIssue } from '../../src/exchange/issue.ts';
import type { PolicyAnswer } from '../../src/policy/policy.ts';
import { ALLOW, caller, codeOf, lives, makeWorld, PROFILE, REQUEST } from './world.ts';
import type { TestRules, World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  world.provider.recover();
  await world.activate({});
});

const grants = async () => (await world.record.sql('select 1 from grants')).length;

test('decided, put on record, minted, put on record, handed over: in this order', async () => {
  const seen: string[] = [];
  const state = async () =>
    (await world.record.sql<{ state: string }>('select state from grants order by opened_at desc limit 1'))[0]?.state ??
    'none';
  world.provider.before = async () => void seen.push(`before the mint: ${await state()}`);
  world.provider.after = async () => void seen.push(`after the mint: ${await state()}`);
  const issued = await world.issue(caller(), { ...REQUEST, parameters: { month: '2026-11' }, ttlSeconds: 120 });
  seen.push(`handed over: ${await state()}`);
  expect(seen).toEqual(['before the mint: issuing', 'after the mint: issuing', 'handed over: active']);

  expect(lives(world.provider, issued)).toBe(true);
  expect(issued).toMatchObject({
    profile: 'orders-read',
    provider: 'memory',
    subject: 'spiffe://dev.local/agent/one',
    ttl: { seconds: 120, decidedBy: 'request' },
    decision: { outcome: 'allow', policies: ['agents-read'] },
    revocability: { mode: 'immediate' },
  });
  expect(issued.credentialExpiresAt.getTime() - issued.issuedAt.getTime()).toBeLessThanOrEqual(121_000);
  const view = await world.context.ledger.grants.find(issued.grant);
  expect(view).toMatchObject({
    state: 'active',
    parameters: { month: '2026-11' },
    ttlSeconds: 120,
    ttlDecidedBy: 'request',
    decision: { outcome: 'allow', inputs: { context: { parameters: { month: '2026-11' }, requestedTtl: 120 } } },
    mints: [{ state: 'live', kind: 'first', handle: { login: expect.any(String) } }],
  });
  expect(await world.context.ledger.grants.task(issued.task)).toMatchObject({
    purpose: 'look up an order',
    implicit: true,
    environment: 'production',
  });
});

test('nothing of the secret is in the record', async () => {
  const { credential } = await world.issue(caller(), REQUEST);
  const password = String(credential.reveal()['password']);
  for (const table of ['grants', 'mints', 'decisions', 'tasks', 'events']) {
    expect(await world.record.sql(`select 1 from ${table} as t where t::text like $1`, [`%${password}%`])).toEqual([]);
  }
});

const answer = (change: Partial<PolicyAnswer>): TestRules => ({ answer: { ...ALLOW, ...change } });

test.each([
  {
    name: 'an unknown profile',
    rules: { profiles: [] },
    code: 'unknown_profile',
    decision: { outcome: 'deny', policies: [] },
  },
  {
    name: 'a profile whose provider is off',
    rules: { profiles: [{ ...PROFILE, provider: 'off' }] },
    code: 'profile_off',
    decision: { outcome: 'deny' },
  },
  {
    name: 'denied',
    rules: answer({ outcome: 'deny', policies: ['no-weekends'] }),
    code: 'policy_denied',
    decision: { outcome: 'deny', policies: ['no-weekends'] },
  },
  {
    name: 'denied since a policy failed',
    rules: answer({ outcome: 'deny', policies: [], errors: [{ policy: 'broken', message: 'no such attribute' }] }),
    code: 'policy_denied',
    decision: { outcome: 'deny', errors: [{ policy: 'broken', message: 'no such attribute' }] },
  },
  {
    name: 'too short a life',
    rules: answer({ maxTtl: { policy: 'agents-read', seconds: 9 } }),
    code: 'ttl_below_minimum',
    decision: { outcome: 'deny' },
  },
])('refused before anything is asked of a provider, and on record: $name', async ({ rules, code, decision }) => {
  await world.activate(rules);
  const [calls, before] = [world.provider.calls.length, await grants()];
  const refused = await world.issue(caller(), REQUEST).catch((error: unknown) => error);
  expect(refused).toMatchObject({ name: 'Refusal', code, facts: { decision: { id: expect.any(String) } } });
  const [row] = await world.record.sql('select * from decisions order by at desc limit 1');
  expect(row).toMatchObject({ code, resource: 'orders-read', action: 'issue', ...decision });
  expect(refused).toMatchObject({ facts: { decision: { id: row?.['id'], generation: Number(row?.['generation']) } } });
  expect([world.provider.calls.length, await grants()]).toEqual([calls, before]);
});

test('parameters that do not fit: every fault at once, and nothing is decided', async () => {
  const decisions = () => world.record.sql('select 1 from decisions');
  const before = (await decisions()).length;
  const asked = world.issue(caller(), { ...REQUEST, parameters: { month: 'May', year: '2026' } });
  await expect(asked).rejects.toMatchObject({
    code: 'invalid_request',
    facts: { errors: [{ path: 'parameters.month' }, { path: 'parameters.year' }] },
  });
  expect(await decisions()).toHaveLength(before);
});

describe('rules that change', () => {
  test('a process that is behind loads the active ones and decides by those', async () => {
    await world.record.activateRules(JSON.stringify(answer({ outcome: 'deny' })));
    expect(await codeOf(world.issue(caller(), REQUEST))).toBe('policy_denied');
  });

  test('once: when they change again meanwhile, the caller is told to come back', async () => {
    let note = 0;
    const { parts } = world;
    const hurried = {
      ...parts,
      liveLimit: {
        ahead: () => undefined,
        within: async <T>(_trust: string, _id: string, open: () => Promise<T>) => {
          await world.record.activateRules(JSON.stringify({ note: `again ${(note += 1)}` }));
          return open();
        },
      },
    };
    const before = await grants();
    expect(await codeOf(makeIssue(world.context, hurried)(caller(), REQUEST))).toBe('generation_behind');
    expect([note, await grants()]).toEqual([2, before]);
  });
});

test('a limit on live grants, exact for callers at once', async () => {
  const limited = await makeWorld({ liveGrants: 5 });
  const asked = await Promise.all(Array.from({ length: 12 }, () => codeOf(limited.issue(caller(), REQUEST))));
  expect(asked.filter((code) => code === 'done')).toHaveLength(5);
  expect(asked.filter((code) => code === 'too_many_live_grants')).toHaveLength(7);
  const decided = `select outcome, code, count(*)::integer as n from decisions group by outcome, code order by outcome`;
  expect(await limited.record.sql(decided)).toEqual([
    { outcome: 'allow', code: null, n: 5 },
    { outcome: 'deny', code: 'too_many_live_grants', n: 7 },
  ]);
  expect(await codeOf(limited.issue(caller(), { ...REQUEST, profile: 'nobody’s' }))).toBe('unknown_profile');
  expect(await codeOf(limited.issue(caller('another'), REQUEST))).toBe('done');
  await limited.close();
});
