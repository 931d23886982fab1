import { ONE_APPROVER } from '../../src/domain/approval.ts';
import type { Actor } from '../../src/domain/identity.ts';
import type { GrantId, TaskId } from '../../src/domain/ids.ts';
import { makeClaim } from '../../src/exchange/claim.ts';
import { makeIssue } from '../../src/exchange/issue.ts';
import { OPERATOR, SECOND_OPERATOR } from '../ledger/world.ts';
import { ALLOW, caller, codeOf, given, lives, makeWorld, PROFILE, REQUEST } from './world.ts';
import type { World } from './world.ts';

/** A person answers first: what was asked, who may answer, and a claim that is decided again and works once. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.activate({}));

const ON_APPROVAL = { answer: { ...ALLOW, outcome: 'approval', approval: ONE_APPROVER } } as const;
const ask = async () => {
  await world.activate(ON_APPROVAL);
  const answer = await world.request(caller(), REQUEST);
  if (!('approval' in answer)) throw new Error('nobody was asked');
  return answer;
};
const answer = (approval: Awaited<ReturnType<typeof ask>>['approval'], word: 'approve' | 'deny' = 'approve') =>
  world.record.answer({ approval: approval.id }, word);
const claim = (grant: GrantId, by = caller()) => world.claim(by, { grant });
/** As policies are when the approval is in their context. */
const operatorCalled = (subject: string): Actor => ({ kind: 'operator', issuer: 'https://sso.test', subject });
const approved = () => world.activate({});
const calls = () => world.provider.calls.length;

test('nothing is minted until it is claimed, and what was asked is on record', async () => {
  const before = calls();
  const pending = await ask();
  expect(calls()).toBe(before);
  const row = await world.context.ledger.approvals.ofGrant(pending.grant);
  expect(row).toMatchObject({
    state: 'pending',
    kind: 'issue',
    resource: 'orders-read',
    needs: [{ role: 'approver', count: 1 }],
  });
  expect(row?.asked).toMatchObject({
    grant: pending.grant,
    profile: 'orders-read',
    ttl_seconds: 300,
    workload: { trust: 'mesh', id: 'spiffe://dev.local/agent/one' },
    task: { purpose: 'look up an order' },
  });
});

test('where as many wait already as may, nothing is asked, and the refusal is on record', async () => {
  await world.activate(ON_APPROVAL);
  const approvals = { ...world.context.approvals, maxOpen: 0 };
  const said = await makeIssue({ ...world.context, approvals }, world.parts)(caller(), REQUEST).catch(
    (e: unknown) => e,
  );
  const { id } = (said as { facts: { decision: { id: string } } }).facts.decision;
  expect(await world.record.sql('select outcome, code from decisions where id = $1', [id])).toEqual([
    { outcome: 'deny', code: 'too_many_approvals' },
  ]);
});

test('approved, it is claimed once', async () => {
  const pending = await ask();
  expect(await codeOf(claim(pending.grant))).toBe('approval_pending');
  await answer(pending.approval);
  await approved();
  const issued = await claim(pending.grant);
  expect(lives(world.provider, issued)).toBe(true);
  expect(issued).toMatchObject({ grant: pending.grant, task: pending.task, ttl: { seconds: 300 } });
  expect(await codeOf(claim(pending.grant))).toBe('grant_not_active');
  expect((await world.context.ledger.approvals.ofGrant(pending.grant))?.state).toBe('consumed');
  const [row] = await world.record.sql('select approval_id, mode from decisions where id = $1', [issued.decision.id]);
  expect(row).toEqual({ approval_id: pending.approval.id, mode: 'autonomous' });
});

const refusalsOf = (grant: GrantId) =>
  world.record.sql(
    `select d.action, d.outcome, d.code, d.resource, d.task_id = g.task_id as on_its_task from decisions d join grants g on g.id = d.grant_id
      where g.id = $1 and d.code = 'grant_not_active'`,
    [grant],
  );
const NOT_ACTIVE = {
  action: 'issue',
  outcome: 'deny',
  code: 'grant_not_active',
  resource: 'orders-read',
  on_its_task: true,
};

test('a claim of what is no longer pending is on record as a decision', async () => {
  const pending = await ask();
  await answer(pending.approval);
  await approved();
  await claim(pending.grant);
  expect(await codeOf(claim(pending.grant))).toBe('grant_not_active');
  expect(await refusalsOf(pending.grant)).toEqual([NOT_ACTIVE]);
});

test('a claim that comes behind another one is on record as well', async () => {
  const pending = await ask();
  await answer(pending.approval);
  await approved();
  const { ledger } = world.context;
  const find = ledger.approvals.ofGrant;
  // the other one is first, while this one is still deciding
  const behind = {
    ...ledger,
    approvals: {
      ...ledger.approvals,
      ofGrant: async (grant: GrantId) => {
        const approval = await find(grant);
        await claim(pending.grant);
        return approval;
      },
    },
  };
  const late = makeClaim({ ...world.context, ledger: behind }, world.parts);
  expect(await codeOf(late(caller(), { grant: pending.grant }))).toBe('grant_not_active');
  expect(await refusalsOf(pending.grant)).toEqual([NOT_ACTIVE]);
});

test('two claims at once: one alone gets a credential', async () => {
  const pending = await ask();
  await answer(pending.approval);
  await approved();
  const outcomes = await Promise.all([1, 2, 3].map(() => codeOf(claim(pending.grant))));
  expect(outcomes.filter((code) => code === 'done')).toHaveLength(1);
});

test.each([
  {
    name: 'denied',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => answer(p.approval, 'deny'),
    code: 'grant_not_active',
  },
  {
    name: 'lapsed',
    arrange: (p: Awaited<ReturnType<typeof ask>>) =>
      world.record.sql(`update approvals set state = 'lapsed' where id = $1`, [p.approval.id]),
    code: 'approval_required',
  },
  {
    name: 'approved and past its time',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => {
      await answer(p.approval);
      await world.record.sql(`update approvals set expires_at = now() - interval '1 second' where id = $1`, [
        p.approval.id,
      ]);
    },
    code: 'approval_required',
  },
  {
    name: 'for a profile that has changed since',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => {
      await answer(p.approval);
      await world.activate({ profiles: [{ ...PROFILE, owner: 'somebody-else' }] });
    },
    code: 'approval_required',
  },
  {
    name: 'for something else than was asked',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => {
      await answer(p.approval);
      await world.record.sql(`update approvals set asked_hash = 'other' where id = $1`, [p.approval.id]);
    },
    code: 'approval_required',
  },
  {
    name: 'under an order that came meanwhile',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => {
      await answer(p.approval);
      await world.record.order({ kind: 'agent', value: 'spiffe://dev.local/agent/one' });
    },
    code: 'under_order',
  },
  {
    name: 'by rules that deny it now',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => {
      await answer(p.approval);
      await world.activate({ answer: { ...ALLOW, outcome: 'deny' } });
    },
    code: 'policy_denied',
  },
  {
    name: 'by rules that want one more approval',
    arrange: async (p: Awaited<ReturnType<typeof ask>>) => {
      await answer(p.approval);
      await world.activate(ON_APPROVAL);
    },
    code: 'approval_required',
  },
])('$name: $code, and nothing is minted', async ({ arrange, code, name }) => {
  const pending = await ask();
  const before = calls();
  await arrange(pending);
  if (!name.includes('rules') && !name.includes('changed')) await approved();
  expect(await codeOf(claim(pending.grant))).toBe(code);
  expect(calls()).toBe(before);
  await world.record.calm();
});

test('of another workload, and with another key than was approved', async () => {
  const pending = await ask();
  await answer(pending.approval);
  await approved();
  expect(await codeOf(claim(pending.grant, caller('another')))).toBe('not_found');
  expect(await codeOf(claim(pending.grant, caller(undefined, { confirmation: { jkt: 'x' } })))).toBe(
    'approval_required',
  );
});

test('on the task that is shown with it', async () => {
  const pending = await ask();
  await answer(pending.approval);
  await approved();
  const shown = (task: TaskId) => codeOf(world.claim(caller(), { grant: pending.grant, task }));
  expect(await shown(await world.record.task())).toBe('task_token_invalid');
  expect(await shown(pending.task)).toBe('done');
});

test('who may answer, and how often', async () => {
  const waiting = await world.record.pending({
    needs: [{ role: 'approver', count: 2 }],
    chain: [{ issuer: 'https://sso.test', subject: 'grace' }],
  });
  expect(await codeOf(world.record.answer(waiting, 'approve', SECOND_OPERATOR))).toBe('own_request');
  expect(await world.record.answer(waiting, 'approve', OPERATOR)).toBe('pending');
  expect(await codeOf(world.record.answer(waiting, 'approve', OPERATOR))).toBe('already_answered');
  expect(await world.record.answer(waiting, 'approve', operatorCalled('joan'))).toBe('approved');
  expect(await codeOf(world.record.answer(waiting, 'deny', operatorCalled('kay')))).toBe('approval_closed');
  const codes = await world.record.sql(
    `select body::jsonb #>> '{facts,code}' as code from events where type = 'approval.answered' and grant_id = $1 order by seq`,
    [waiting.grant],
  );
  expect(codes.map(({ code }) => code)).toEqual(['own_request', null, 'already_answered', null, 'approval_closed']);
});

test('without an approval in the answer of the rules somebody is asked all the same', async () => {
  await world.activate({ answer: { ...ALLOW, outcome: 'approval' } });
  expect('approval' in (await world.request(caller(), REQUEST))).toBe(true);
  expect(() => given({ approval: {} } as never)).toThrow();
});
