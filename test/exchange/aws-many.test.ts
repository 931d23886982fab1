import { setTimeout as sleep } from 'node:timers/promises';
import { fillWithCopies } from '../ledger/fill.ts';
import { BROKER, ROLE_POLICY } from '../providers/aws-harness.ts';
import { trusting } from '../support/aws/setup.ts';
import { awsExchange, until, type AwsExchange, type Process } from './aws-world.ts';
import { operator } from './world.ts';

/** One order over ten thousand live grants, of a thousand agents: what it asks of IAM is bounded, and is printed. */
const MANY = 10_000;

let world: AwsExchange;
let replicas: Process[];
beforeAll(async () => {
  world = await awsExchange(false);
  const { fake, boundary } = world.aws;
  fake.role('order-agents', { trust: trusting({ AWS: BROKER }), policies: [ROLE_POLICY], boundary });
  replicas = [await world.process(), await world.process()];
});
afterAll(() => world.close());

/** Copies of a grant, each as if it had been issued for itself: another agent, another session. */
async function fill(of: string, count: number): Promise<void> {
  const grant = await world.ledger.grant(of as never);
  const [mint] = await world.ledger.sql<{ id: string }>('select id from mints where grant_id = $1', [of]);
  const original = { grant: of, mint: mint?.id, task: grant['task_id'], epoch: 1, shape: {} };
  await fillWithCopies(world.ledger, original as never, count);
  await world.ledger.sql(`update mints set
    request = jsonb_set(jsonb_set(jsonb_set(request,
      '{session_name}', to_jsonb('writ-' || grant_id || '-' || id)),
      '{assume_role,RoleSessionName}', to_jsonb('writ-' || grant_id || '-' || id)),
      '{source_identity}', to_jsonb('agent-' || right(id, 6)::integer % 1000 || '.0123456789abcdef')),
    handle = handle || jsonb_build_object('session_name', 'writ-' || grant_id || '-' || id)
    where id like 'm000%'`);
}

test(`${MANY} revocations in one order`, async () => {
  const [one, two] = replicas as [Process, Process];
  const mine = await Promise.all(Array.from({ length: 5 }, (_, n) => one.issueFor(`agent-${n}`, 3_600)));
  const others = await Promise.all(
    Array.from({ length: 5 }, (_, n) => two.issueFor(`agent-${n}`, 3_600, 'orders-read')),
  );
  await fill(mine[0]?.grant ?? '', MANY - mine.length);
  await sleep(11_000); // what is newer than that is denied by name
  const { calls } = world.aws.fake;
  const before = calls.length;
  replicas.forEach((each) => each.reap());

  const began = performance.now();
  const { order, matched } = await one.orders.create(operator(), {
    selector: { kind: 'profile', value: 'invoices-read' },
    reason: 'incident 9',
    blocks: true,
  });
  expect(matched).toBe(MANY);
  await until(async () => mine.every((held) => held.can() === 'denied'), 60);
  const denied = performance.now() - began;
  await until(async () => (await one.orders.show(order.id as never)).state === 'complete', 240);
  const seconds = (ms: number) => (ms / 1000).toFixed(1);

  const asked = calls.slice(before).filter(({ action }) => /Policy|GetRole/.test(action));
  const counts: Record<string, number> = {};
  for (const { action } of asked) counts[action] = (counts[action] ?? 0) + 1;
  const took = `denied after ${seconds(denied)} s, on record after ${seconds(performance.now() - began)} s`;
  process.stdout.write(
    `${MANY} revocations, two replicas: ${asked.length} calls of IAM ${JSON.stringify(counts)}; ${took}\n`,
  );

  const { byProvider } = await one.orders.show(order.id as never);
  expect(byProvider['aws-main']).toMatchObject({ matched: MANY, revoked: MANY, pending: 0, stuck: 0 });
  expect(mine.map((held) => held.can())).toEqual(mine.map(() => 'denied'));
  expect(others.map((held) => held.can())).toEqual(others.map(() => 'allowed'));
  expect(counts['CreatePolicyVersion'] ?? 0).toBeLessThan(40);
  expect(asked.length).toBeLessThan(1_000);
}, 400_000);
