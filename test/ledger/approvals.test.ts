import { APPROVING_ROLES, meets } from '../../src/domain/approval.ts';
import type { ApprovalNeeds } from '../../src/domain/approval.ts';
import type { Actor } from '../../src/domain/identity.ts';
import type { DecisionRecord } from '../../src/ledger/index.ts';
import { codeOf } from '../exchange/world.ts';
import { seeded } from '../support/random.ts';
import { until } from '../support/waiting.ts';
import { askAbout, callApproval, deniedCall } from './calling.ts';
import { ids, makeWorld, OPERATOR, SECOND_OPERATOR } from './world.ts';
import type { World } from './world.ts';

/** Who answers what, who may not, and what several answers come to: held in the database, whatever asks it. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const person = (subject: string, issuer = 'https://sso.test'): Actor => ({ kind: 'operator', issuer, subject });
const security = { role: 'security', count: 1 } as const;
const platform = { role: 'platform', count: 1 } as const;

describe('the people and roles that are wanted', () => {
  test('another role does not answer, and that is on record', async () => {
    const waiting = await world.pending({ needs: [security] });
    expect(await codeOf(world.answer(waiting, 'approve', OPERATOR, ['approver', 'platform']))).toBe('role_missing');
    expect(await codeOf(world.answer(waiting, 'deny', OPERATOR, []))).toBe('role_missing');
    expect(await world.answer(waiting, 'approve', OPERATOR, ['approver', 'security'])).toBe('approved');
    const [, , said] = await world.sql(
      `select body::jsonb -> 'facts' as facts from events where type = 'approval.answered' and grant_id = $1 order by seq`,
      [waiting.grant],
    );
    expect(said).toMatchObject({ facts: { roles: ['security'], state: 'approved' } });
  });

  test('one person fills one place, whatever they are', async () => {
    const waiting = await world.pending({ needs: [platform, security] });
    expect(await world.answer(waiting, 'approve', OPERATOR, ['security', 'platform'])).toBe('pending');
    expect(await codeOf(world.answer(waiting, 'approve', OPERATOR, ['security', 'platform']))).toBe('already_answered');
    expect(await world.answer(waiting, 'approve', SECOND_OPERATOR, ['security'])).toBe('approved');
  });

  test('two of one name at two issuers are two', async () => {
    const waiting = await world.pending({ needs: [{ role: 'security', count: 2 }] });
    expect(await world.answer(waiting, 'approve', OPERATOR, ['security'])).toBe('pending');
    expect(await world.answer(waiting, 'approve', person('ada', 'https://other.test'), ['security'])).toBe('approved');
  });

  test('one who denies is enough', async () => {
    const waiting = await world.pending({ needs: [{ role: 'security', count: 3 }] });
    expect(await world.answer(waiting, 'approve', OPERATOR, ['security'])).toBe('pending');
    expect(await world.answer(waiting, 'deny', SECOND_OPERATOR, ['security'])).toBe('denied');
    expect((await world.grant(waiting.grant)).state).toBe('refused');
    expect(await codeOf(world.answer(waiting, 'approve', person('kay'), ['security']))).toBe('approval_closed');
  });

  test('past its time it is over, also before anybody has come to end it', async () => {
    const waiting = await world.pending({ needs: [security] });
    expect(await world.ledger.approvals.settled([waiting.approval])).toEqual([]);
    await world.sql(`update approvals set expires_at = now() - interval '1 second' where id = $1`, [waiting.approval]);
    expect(await world.ledger.approvals.settled([waiting.approval])).toEqual([waiting.approval]);
    expect(await codeOf(world.answer(waiting, 'approve', OPERATOR, ['security']))).toBe('approval_closed');
    expect((await world.ledger.approvals.find(waiting.approval))?.answers).toEqual([]);
  });

  test('the database counts as the program does', async () => {
    const random = seeded(11);
    const some = <T>(from: readonly T[]) => from.filter(() => random.next() < 0.5);
    let approved = 0;
    for (let round = 0; round < 60; round++) {
      const needs: ApprovalNeeds = some(APPROVING_ROLES).map((role) => ({
        role,
        count: 1 + Math.floor(random.next() * 2),
      }));
      if (needs.length === 0) continue;
      const waiting = await world.pending({ needs });
      const people: string[][] = [];
      for (let n = 0; n < 5; n++) {
        const roles = some(APPROVING_ROLES);
        const state = await world.answer(waiting, 'approve', person(`p${n}`), roles).catch(() => undefined);
        if (state === undefined) continue;
        people.push(roles);
        expect({ needs, people, state }).toEqual({
          needs,
          people,
          state: meets(needs, people) ? 'approved' : 'pending',
        });
        if (state === 'approved') approved += 1;
        if (state === 'approved') break;
      }
    }
    expect(approved).toBeGreaterThan(10);
  });

  test('needs and answers of the version before count on', async () => {
    const waiting = await world.pending();
    await world.sql(`update approvals set needs = '{"role": "approver", "count": 2}' where id = $1`, [
      waiting.approval,
    ]);
    expect(await world.answer(waiting, 'approve', OPERATOR)).toBe('pending');
    expect(await world.answer(waiting, 'approve', SECOND_OPERATOR)).toBe('approved');
  });

  test('nobody wanted is nobody approving', async () => {
    const waiting = await world.pending({ needs: [] });
    expect(await codeOf(world.answer(waiting))).toBe('role_missing');
  });
});

describe('nobody on the chain of a request', () => {
  test.each([
    { name: 'the same person', chain: [{ issuer: 'https://sso.test', subject: 'ada' }], code: 'own_request' },
    { name: 'whoever is called so, of any issuer', chain: [{ subject: 'ada' }], code: 'own_request' },
    { name: 'among others', chain: [{ subject: 'zoe' }, { subject: 'ada' }], code: 'own_request' },
    { name: 'another issuer’s', chain: [{ issuer: 'https://other.test', subject: 'ada' }], code: 'done' },
    { name: 'another person', chain: [{ issuer: 'https://sso.test', subject: 'adam' }], code: 'done' },
    { name: 'nobody', chain: [], code: 'done' },
  ])('$name: $code', async ({ chain, code }) => {
    for (const answer of ['approve', 'deny'] as const) {
      const waiting = await world.pending({ chain });
      expect(await codeOf(world.answer(waiting, answer, OPERATOR))).toBe(code);
    }
  });
});

describe('so many may wait at once', () => {
  const asking = (subject: string, max: number) =>
    world.ledger.issuing.openGrant(world.openingPending({ subject, needs: [security], max_open: max }));

  test('for one workload; another one is not held up, and who has an answer waits no longer', async () => {
    await asking('spiffe://dev.local/agent/many', 2);
    await asking('spiffe://dev.local/agent/many', 2);
    expect(await codeOf(asking('spiffe://dev.local/agent/many', 2))).toBe('too_many_approvals');
    await asking('spiffe://dev.local/agent/few', 2);
    await world.sql(`update approvals set state = 'denied', closed_at = now() where subject like '%many'`);
    await asking('spiffe://dev.local/agent/many', 2);
  });

  const putting = async (subject: string, max: number) => {
    const { approval, ...call } = callApproval(await deniedCall(world, { subject }));
    return () => world.ledger.approvals.requestCall({ ...call, approval: { ...approval, max_open: max } });
  };

  test.each(['grants', 'calls'] as const)('also of those that ask at one moment: %s', async (what) => {
    const subject = `spiffe://dev.local/agent/at-once-${what}`;
    const ask = async () => (what === 'calls' ? putting(subject, 2) : () => asking(subject, 2));
    const asks = await Promise.all(Array.from({ length: 4 }, ask));
    // None can write before all are on their way: without a lock of their own all of them would have counted by then.
    const holding = await world.database.pool.connect();
    await holding.query('begin');
    await holding.query('lock table approvals in share row exclusive mode');
    const codes = Promise.all(asks.map((one) => codeOf(one())));
    await until(async () => (await world.sql('select 1 from pg_locks where not granted')).length >= asks.length);
    await holding.query('commit');
    holding.release();
    expect((await codes).sort()).toEqual(['done', 'done', 'too_many_approvals', 'too_many_approvals']);
  });
});

describe('calls', () => {
  const denied = (change: Partial<DecisionRecord> = {}) => deniedCall(world, change);
  const put = (decision: Parameters<typeof askAbout>[1]) => askAbout(world, decision);

  test('one decision is put before a person once, however many ask at once', async () => {
    const decision = await denied();
    const made = await Promise.all([1, 2, 3, 4].map(() => put(decision)));
    expect(new Set(made).size).toBe(1);
    expect(await world.ledger.approvals.find(made[0] ?? ids.approval())).toMatchObject({
      kind: 'call',
      state: 'pending',
      decisionId: decision.id,
      owner: 'payments',
    });
  });

  test('whoever asks while it is being put there waits, and is told of the same', async () => {
    const decision = await denied();
    const first = await world.database.pool.connect();
    try {
      await first.query('begin');
      const asking = callApproval(decision);
      await first.query('select request_call_approval($1)', [JSON.stringify(asking)]);
      const second = put(decision).catch((error: unknown) => error);
      await until(async () => (await world.sql('select 1 from pg_locks where not granted')).length > 0);
      await first.query('commit');
      expect(await second).toBe(asking.approval.id);
    } finally {
      first.release();
    }
  });

  type Of = Partial<Pick<DecisionRecord, 'id' | 'trust' | 'subject'>>;
  test.each<{ name: string; change: Partial<DecisionRecord>; of: Of }>([
    { name: 'of another workload', change: {}, of: { subject: 'spiffe://dev.local/agent/thief' } },
    { name: 'of a namesake in another trust entry', change: {}, of: { trust: 'other' } },
    { name: 'that was denied for good', change: { outcome: 'deny', code: 'policy_denied' }, of: {} },
    { name: 'that was allowed', change: { outcome: 'allow', code: null }, of: {} },
    { name: 'of another action', change: { action: 'issue' }, of: {} },
    { name: 'that there is not', change: {}, of: { id: ids.decision() } },
  ])('a decision $name is none', async ({ change, of }) => {
    const decision = await denied(change);
    expect(await codeOf(put({ ...decision, ...of }))).toBe('not_found');
  });

  test('an order stands in the way', async () => {
    const decision = await denied();
    await world.order({ kind: 'agent', value: decision.subject });
    expect(await codeOf(put(decision))).toBe('under_order');
    await world.calm();
  });

  const gateway = { trust: 'mesh', id: 'gateway' };
  test.each([
    { who: 'the workload', client: {}, asked_by: null, actor: 'spiffe://dev.local/agent/asks' },
    { who: 'a client of it', client: { asked_by: gateway }, asked_by: gateway, actor: gateway.id },
  ])('a refusal is the decision once more, as $who asked for it', async ({ client, asked_by, actor }) => {
    const decision = await denied({ subject: 'spiffe://dev.local/agent/asks', policies: ['large'], controls: ['C-1'] });
    const about = callApproval(decision);
    const asking = { ...about, approval: { ...about.approval, asked: { ...about.approval.asked, ...client } } };
    await world.order({ kind: 'agent', value: decision.subject });
    expect(await codeOf(world.ledger.approvals.requestCall(asking))).toBe('under_order');
    await world.calm();
    const of = 'select * from decisions where id = $1';
    const [[first], [again], [event]] = await Promise.all([
      world.sql(of, [decision.id]),
      world.sql(of, [asking.refusal]),
      world.sql<{ body: string }>(`select body from events where type = 'call.decided' and body like $1`, [
        `%"decision":"${asking.refusal}"%`,
      ]),
    ]);
    const own = { id: asking.refusal, outcome: 'deny', code: 'under_order', asked_by, origin: null, at: again?.['at'] };
    expect(again).toEqual({ ...first, ...own });
    expect(JSON.parse(event?.body ?? '{}')).toMatchObject({ actor: { kind: 'workload', id: actor } });
  });

  test.each(['owner', 'environment', 'task', 'on_behalf_of'] as const)('and so does one by %s', async (kind) => {
    const task = await world.task({ on_behalf_of: 'user:ada' });
    const decision = await denied({ task_id: task, on_behalf_of: 'user:ada' });
    await world.order({
      kind,
      value: { owner: 'payments', environment: 'production', task, on_behalf_of: 'user:ada' }[kind],
    });
    expect(await codeOf(put(decision))).toBe('under_order');
    await world.calm();
    expect(await codeOf(put(decision))).toBe('done');
  });

  test('of a task that has ended nobody is asked; of one that ends sooner, no longer than it lasts', async () => {
    const ended = await world.task();
    const late = await denied({ task_id: ended });
    await world.endTask(ended);
    expect(await codeOf(put(late))).toBe('task_ended');

    const ends_at = new Date(Date.now() + 20_000).toISOString();
    const soon = await put(await denied({ task_id: await world.task({ ends_at }) }));
    expect((await world.ledger.approvals.find(soon))?.expiresAt.toISOString()).toBe(ends_at);
  });

  test('a call made with a grant has an approval of its own, beside the one that the grant waited for', async () => {
    const waiting = await world.pending();
    const calls = [await denied(), await denied()];
    for (const call of calls) {
      await world.sql('alter table decisions disable trigger user');
      await world.sql('update decisions set grant_id = $1 where id = $2', [waiting.grant, call.id]);
      await world.sql('alter table decisions enable trigger user');
    }
    const [one, other] = [await put(calls[0] ?? (await denied())), await put(calls[1] ?? (await denied()))];
    expect(one).not.toBe(other);
    expect((await world.ledger.approvals.ofGrant(waiting.grant))?.id).toBe(waiting.approval);
    // somebody denies the call: the grant goes on waiting
    await world.answer({ approval: one }, 'deny', OPERATOR, ['security']);
    expect((await world.grant(waiting.grant)).state).toBe('pending_approval');
  });
});
