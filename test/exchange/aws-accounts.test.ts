import { addOtherAccount, awsProfile } from '../providers/aws-harness.ts';
import { awsExchange, until, type AwsExchange, type Process } from './aws-world.ts';
import { caller, codeOf, operator } from './world.ts';

/** One provider, two accounts: an order reaches what lives in both, and waits for each by itself. */
const ELSEWHERE = 'invoices-elsewhere';

let world: AwsExchange;
let other: ReturnType<typeof addOtherAccount>;
let one: Process;
beforeAll(async () => {
  world = await awsExchange(false, [
    awsProfile({ role_arn: 'arn:aws:iam::210987654321:role/invoice-agents' }, { name: ELSEWHERE }),
  ]);
  other = addOtherAccount(world.aws);
  one = await world.process({ revocation: { propagation: '1s', accounts: other.accounts } });
  one.reap();
});
afterAll(() => world.close());

const issueBoth = async (agent: string) => {
  const here = await Promise.all(Array.from({ length: 3 }, () => one.issueFor(agent)));
  const there = await Promise.all(Array.from({ length: 3 }, () => one.issueFor(agent, 900, ELSEWHERE)));
  return { here, there };
};
const order = async (agent: string) =>
  (await one.orders.create(operator(), { selector: { kind: 'agent', value: agent }, reason: 'incident', blocks: true }))
    .order.id as never;
const stateOf = async (grant: string) => (await world.ledger.grant(grant as never)).state;
const of = (held: readonly { can(): unknown }[]) => [...new Set(held.map((each) => each.can()))];

test('an order over an agent with grants in both accounts ends all of them, and nobody else’s', async () => {
  const { here, there } = await issueBoth('a');
  const others = await issueBoth('b');
  const id = await order('a');
  await until(async () => (await one.orders.show(id)).state === 'complete', 60);
  expect((await one.orders.show(id)).byProvider['aws-main']).toMatchObject({ matched: 6, revoked: 6, pending: 0 });
  expect([of(here), of(there), of(others.here), of(others.there)]).toEqual([
    ['denied'],
    ['denied'],
    ['allowed'],
    ['allowed'],
  ]);
});

test('with the IAM of one account away the other’s grants are revoked; the rest follows when it is back', async () => {
  const { here, there } = await issueBoth('c');
  world.aws.fake.setIam('failing');
  const id = await order('c');
  expect(
    await codeOf(one.issue(caller('c'), { profile: ELSEWHERE, parameters: { month: '2026-11' }, purpose: 'x' })),
  ).toBe('under_order');
  await until(
    async () => (await Promise.all(there.map(({ grant }) => stateOf(grant)))).every((s) => s === 'revoked'),
    60,
  );
  expect([of(here), of(there)]).toEqual([['allowed'], ['denied']]);
  const { byProvider, state } = await one.orders.show(id);
  expect([state, byProvider['aws-main']]).toMatchObject(['in_progress', { matched: 6, revoked: 3 }]);
  world.aws.fake.setIam('well');
  await until(async () => (await one.orders.show(id)).state === 'complete', 60);
  expect(of(here)).toEqual(['denied']);
});
