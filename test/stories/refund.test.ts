import type { Client, Evaluation, EvaluationAnswer } from '../../src/client/index.ts';
import { codeOf } from '../support/codes.ts';
import { rulesOnPage } from './page.ts';
import { startStory } from './world.ts';
import type { Story } from './world.ts';

/**
 * docs/stories/refund.md: a refund of 900 where the limit is 500. It needs an approval; somebody else approves; it works once; it is refused
 * on replay, at 901, on self-approval, and after the approval's end.
 */
let story: Story;
let agent: Client;
let grant: string;
beforeAll(async () => {
  story = await startStory(await rulesOnPage('refund'));
  agent = story.agent('refunds');
  grant = await grantOf(agent);
});
afterAll(() => story.close());

async function grantOf(whose: Client): Promise<string> {
  return (await whose.workload.issue({ profile: 'refunds', purpose: 'refund a double charge' })).id;
}

/** A refund, and what the answer to it says, in a word. */
const refund = (amount: number, more: object = {}, under = grant): Evaluation => ({
  action: { name: 'call' },
  resource: { type: 'tool', id: 'refund' },
  context: { arguments: { order: '4711', amount }, grant: under, ...more },
});
const said = ({ decision, context }: EvaluationAnswer) => (decision ? 'allowed' : context?.reason);

/** What an agent's runtime does with a denial that can be helped: it asks a person, as AuthZEN's access requests have it. */
async function askSomebody(question: Evaluation, denial: EvaluationAnswer, whose: Client): Promise<string> {
  const offer = denial.context?.access_request;
  if (!offer) throw new Error(`an approval would not help: ${JSON.stringify(denial)}`);
  return (await whose.workload.requestAccess(question, offer)).task.id;
}

async function approvedRefund(amount: number): Promise<string> {
  const question = refund(amount);
  const id = await askSomebody(question, await agent.workload.evaluate(question), agent);
  await story.operator('ada').operator.approve(id, 'the customer called');
  return id;
}

test('within the limit it is called at once, and what became of it is on record', async () => {
  const answer = await agent.workload.evaluate(refund(500));
  expect(said(answer)).toBe('allowed');
  const id = String(answer.context?.id);
  expect(answer.context?.obligations).toMatchObject([{ type: 'urn:writ:obligation:report-outcome' }]);
  await agent.workload.reportOutcome(id, { status: 'succeeded' });
  const [decided] = await story.select(
    'select outcome, arguments, status from decisions join call_outcomes on decision_id = id where id = $1',
    id,
  );
  expect(decided).toEqual({ outcome: 'allow', arguments: { order: '4711', amount: 500 }, status: 'succeeded' });
});

test('900 needs an approval; somebody gives it, seeing exactly what is asked; it works, once', async () => {
  const question = refund(900);
  const denial = await agent.workload.evaluate(question);
  expect(said(denial)).toBe('approval_required');
  const id = await askSomebody(question, denial, agent);
  const waiting = agent.workload.awaitAccess(id, { waitSeconds: 30 });

  const seen = await story.operator('ada').operator.approval(id);
  expect(seen).toMatchObject({
    state: 'pending',
    asked: { tool: 'refund', arguments: { order: '4711', amount: 900 }, grant },
  });
  // The agent cannot help itself: an approval is never taken from who asks.
  expect(said(await agent.workload.evaluate(refund(900, { approval: id })))).toBe('approval_required');
  await story.operator('ada').operator.approve(id, 'the customer called');

  expect((await waiting).task.status).toBe('approved');
  expect(said(await agent.workload.evaluate(refund(900)))).toBe('approval_required'); // it has to be shown
  expect(said(await agent.workload.evaluate(refund(900, { approval: id })))).toBe('allowed');
  expect(said(await agent.workload.evaluate(refund(900, { approval: id })))).toBe('approval_required'); // on replay
});

test('the enforcement point asks with it just as well, and then it is used', async () => {
  const approval = await approvedRefund(900);
  const [row] = await story.select<{ subject: string }>('select subject from grants where id = $1', grant);
  const subject = { type: 'workload', id: row?.subject ?? '', properties: { trust: 'mesh' } } as const;
  const { workload } = story.gateway;
  expect(said(await workload.evaluate({ ...refund(900, { approval }), subject }))).toBe('allowed');
  expect(said(await agent.workload.evaluate(refund(900, { approval })))).toBe('approval_required');
});

test.each([
  { name: 'at 901', change: { arguments: { order: '4711', amount: 901 } } },
  { name: 'a cent more', change: { arguments: { order: '4711', amount: 900.01 } } },
  { name: 'for another order', change: { arguments: { order: '4712', amount: 900 } } },
])('what was approved is not what is asked $name', async ({ change }) => {
  const approval = await approvedRefund(900);
  expect(said(await agent.workload.evaluate(refund(900, { approval, ...change })))).toBe('approval_required');
  expect(said(await agent.workload.evaluate(refund(900, { approval })))).toBe('allowed'); // it was not used up by that
});

test('nobody approves what their own agent asks for', async () => {
  const own = story.agentOf('grace');
  const under = await grantOf(own);
  const question = refund(900, {}, under);
  const id = await askSomebody(question, await own.workload.evaluate(question), own);
  expect(await codeOf(story.operator('grace').operator.approve(id, 'mine'))).toBe('own_request');
  expect(said(await own.workload.evaluate(refund(900, { approval: id }, under)))).toBe('approval_required');
  await story.operator('ada').operator.approve(id, 'seen');
  expect(said(await own.workload.evaluate(refund(900, { approval: id }, under)))).toBe('allowed');
});

test('after the approval’s end it is none', async () => {
  const approval = await approvedRefund(900);
  await story.select(`update approvals set expires_at = now() - interval '1 second' where id = $1`, approval);
  expect(said(await agent.workload.evaluate(refund(900, { approval })))).toBe('approval_required');
});

test('a denial is a denial: nobody is asked again and again about the same', async () => {
  const question = refund(900);
  const denial = await agent.workload.evaluate(question);
  const id = await askSomebody(question, denial, agent);
  await story.operator('ada').operator.deny(id, 'the order was never paid');
  expect(await agent.workload.awaitAccess(id)).toMatchObject({
    task: { status: 'denied' },
    reason: 'the order was never paid',
  });
  expect(said(await agent.workload.evaluate(refund(900, { approval: id })))).toBe('approval_required');
});

test('the record tells it: who asked, who approved, what was decided, and that it was used', async () => {
  const approval = await approvedRefund(777);
  const used = await agent.workload.evaluate(refund(777, { approval }));
  const rows = await story.select<{ type: string; actor: string }>(
    `select type, coalesce(body::jsonb #>> '{actor,subject}', body::jsonb #>> '{actor,id}') as actor from events
      where body::jsonb #>> '{facts,approval}' = $1 or body::jsonb ->> 'decision' = $2 order by seq`,
    approval,
    used.context?.id,
  );
  const who = 'spiffe://test.example/agent/refunds';
  expect(rows).toEqual([
    { type: 'approval.requested', actor: who },
    { type: 'approval.answered', actor: 'ada' },
    { type: 'call.decided', actor: who },
    { type: 'approval.consumed', actor: who },
  ]);
});
