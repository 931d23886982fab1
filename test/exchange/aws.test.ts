import { ids } from '../ledger/world.ts';
import { caller, codeOf, operator } from './world.ts';
import { awsExchange, SECOND_ROLE, until, type AwsExchange, type Process } from './aws-world.ts';
import { trusting } from '../support/aws/setup.ts';
import { BROKER, ROLE_POLICY } from '../providers/aws-harness.ts';

const ACTOR = { kind: 'system', name: 'test' } as const;
const callsOf = ({ aws }: AwsExchange, action: string, since = 0) =>
  aws.fake.calls.slice(since).filter((call) => call.action === action && call.status === 200).length;
const stateOf = async ({ ledger }: AwsExchange, grant: string) => (await ledger.grant(grant as never)).state;
const revoke = (process: Process, grant: string) =>
  process.revoke({ grant: grant as never, reason: 'enough', actor: ACTOR, origin: null });

describe('sessions and their deny list', () => {
  let world: AwsExchange;
  let one: Process;
  let two: Process;
  beforeAll(async () => {
    world = await awsExchange(false);
    world.aws.fake.role('order-agents', {
      trust: trusting({ AWS: BROKER }),
      policies: [ROLE_POLICY],
      boundary: world.aws.boundary,
    });
    [one, two] = [await world.process(), await world.process()];
  });
  afterAll(() => world.close());

  test('a grant is eventual, ends when it is revoked, and is called so only after AWS has had its time', async () => {
    const [held, other] = [await one.issueFor('a'), await one.issueFor('b')];
    expect((await one.context.ledger.grants.find(held.grant))?.revocability).toEqual({
      mode: 'eventual',
      expectedSeconds: 6,
    });
    const asked = Date.now();
    const view = await revoke(one, held.grant);
    expect(view.state).toBe('ending');
    expect([held.can(), other.can()]).toEqual(['denied', 'allowed']);
    two.reap();
    await until(async () => (await stateOf(world, held.grant)) === 'revoked');
    expect(Date.now() - asked).toBeGreaterThan(1_000);
    expect([held.can(), other.can()]).toEqual(['denied', 'allowed']);
  });

  test('an order over one agent, on two replicas: its grants end, and nobody else’s', async () => {
    const mine = await Promise.all(Array.from({ length: 30 }, (_, n) => (n % 2 ? one : two).issueFor('c')));
    const others = await Promise.all(Array.from({ length: 5 }, (_, n) => one.issueFor(`d-${n}`)));
    [one, two].forEach((each) => each.reap());
    const { order } = await one.orders.create(operator(), {
      selector: { kind: 'agent', value: 'c' },
      reason: 'incident 7',
      blocks: true,
    });
    expect(await codeOf(two.issueFor('c'))).toBe('under_order');
    await until(async () => (await one.orders.show(order.id as never)).state === 'complete');
    expect((await one.orders.show(order.id as never)).byProvider['aws-main']).toMatchObject({
      matched: 30,
      revoked: 30,
    });
    expect(new Set(mine.map((held) => held.can()))).toEqual(new Set(['denied']));
    expect(new Set(others.map((held) => held.can()))).toEqual(new Set(['allowed']));
    await one.orders.lift(operator(), order.id as never, 'over');
    const again = await two.issueFor('c');
    expect(again.can()).toBe('allowed');
    expect(new Set(mine.map((held) => held.can()))).toEqual(new Set(['denied']));
  });

  test('a credential whose answer was lost is denied, and its grant closes with its end', async () => {
    // Three attempts, each with an answer that comes too late.
    world.aws.fake.faults.delay('AssumeRole', 4_000, 3);
    const before = world.aws.fake.sessions.length;
    expect(await codeOf(one.issueFor('e', 20))).toBe('provider_timeout');
    await one.drain();
    const lost = world.aws.fake.sessions.slice(before).map(({ tags }) => tags['writ:grant'] ?? '');
    expect(lost.length).toBeGreaterThan(0);
    expect(new Set(lost).size).toBe(1);
    expect(await stateOf(world, lost[0] ?? '')).toBe('ending');
    const { PolicyDocument } =
      world.aws.fake.calls.findLast(({ action }) => action === 'CreatePolicyVersion')?.params ?? {};
    expect(PolicyDocument).toContain(lost[0]);
    await until(async () => (await stateOf(world, lost[0] ?? '')) === 'expired');
  });

  test('renewals are sessions of their own, and end together', async () => {
    const held = await one.issueFor('f', 600);
    const renewed = await two.renew(caller('f'), { grant: held.grant, ttlSeconds: 900 });
    expect(renewed.expiresAt.getTime()).toBeGreaterThan(held.expiresAt.getTime());
    expect([held.can(), world.aws.can(renewed.credential.reveal())]).toEqual(['allowed', 'allowed']);
    await revoke(two, held.grant);
    expect([held.can(), world.aws.can(renewed.credential.reveal())]).toEqual(['denied', 'denied']);
  });

  test('a repeated request ends the first credential alone, and waits until that is certain', async () => {
    const request = { profile: 'invoices-read', parameters: { month: '2026-11' }, purpose: 'x', ttlSeconds: 600 };
    const idempotency = { key: 'k-1', requestHash: 'h' };
    const first = await one.issueOnce(caller('g'), { ...request, idempotency });
    // The deny is written within the five seconds that a repeat waits, and has to count before it mints again.
    expect(await codeOf(two.issueOnce(caller('g'), { ...request, idempotency }))).toBe('request_in_progress');
    await until(async () => (await codeOf(two.issueOnce(caller('g'), { ...request, idempotency }))) === 'done', 20);
    expect(world.aws.can(first.credential.reveal())).toBe('denied');
    const living = world.aws.fake.sessions.filter(({ tags }) => tags['writ:grant'] === first.grant);
    expect(living).toHaveLength(2);
  });

  test('with AWS away an end is tried again, becomes stuck, and is confirmed when AWS is back', async () => {
    const held = await one.issueFor('h');
    world.aws.fake.faults.fail('*', { status: 503, code: 'ServiceUnavailable' });
    await revoke(one, held.grant);
    await until(
      async () =>
        (
          await world.ledger.sql<{ attempts: number }>(
            'select max(attempts)::integer as attempts from mints where grant_id = $1',
            [held.grant],
          )
        )[0]?.attempts === 2,
    );
    expect(held.can()).toBe('allowed');
    world.aws.fake.faults.clear();
    await until(async () => (await stateOf(world, held.grant)) === 'revoked');
    expect(held.can()).toBe('denied');
  });

  test('another profile, of another role, is not touched by an order over the first', async () => {
    const [held, other] = [await one.issueFor('i'), await one.issueFor('i', 900, 'orders-read')];
    expect(other.can()).toBe('allowed');
    const { order } = await one.orders.create(operator(), {
      selector: { kind: 'profile', value: 'invoices-read' },
      reason: 'incident 8',
      blocks: false,
    });
    await until(async () => (await one.orders.show(order.id as never)).state === 'complete');
    expect([held.can(), other.can()]).toEqual(['denied', 'allowed']);
    expect(SECOND_ROLE).toContain('order-agents');
  });
});

describe('children of sessions', () => {
  let world: AwsExchange;
  let one: Process;
  let two: Process;
  beforeAll(async () => {
    world = await awsExchange(true);
    const options = { revocation: false as const, config: { scoped: 'on', child_ttl: '60s' } };
    [one, two] = [await world.process(options), await world.process(options)];
  });
  afterAll(() => world.close());

  test('renewing fetches the next child of the same session, and the grant keeps its end', async () => {
    const held = await one.issueFor('a', 600);
    expect((await one.context.ledger.grants.find(held.grant))?.revocability).toEqual({
      mode: 'bounded',
      withinSeconds: 60,
    });
    expect(held.credentialExpiresAt.getTime() - Date.now()).toBeLessThan(60_000);
    const since = world.aws.fake.calls.length;
    const next = await one.renew(caller('a'), { grant: held.grant });
    expect([next.expiresAt, next.ttl.seconds]).toEqual([held.expiresAt, 600]);
    expect(callsOf(world, 'AssumeRole', since)).toBe(0);
    expect([held.can(), world.aws.can(next.credential.reveal())]).toEqual(['allowed', 'allowed']);
  });

  test('a replica that does not have the session makes another, for the same grant', async () => {
    const held = await one.issueFor('b', 600);
    const since = world.aws.fake.calls.length;
    const next = await two.renew(caller('b'), { grant: held.grant });
    expect(callsOf(world, 'AssumeRole', since)).toBe(1);
    expect(world.aws.can(next.credential.reveal())).toBe('allowed');
    const again = await two.renew(caller('b'), { grant: held.grant });
    expect(callsOf(world, 'AssumeRole', since)).toBe(1);
    expect(world.aws.can(again.credential.reveal())).toBe('allowed');
    const sessions = world.aws.fake.sessions.filter(({ tags }) => tags['writ:grant'] === held.grant);
    expect(new Set(sessions.map(({ sourceIdentity }) => sourceIdentity)).size).toBe(1);
  });

  test('a grant that is renewed for longer is followed by its children', async () => {
    const held = await one.issueFor('c', 600);
    const longer = await one.renew(caller('c'), { grant: held.grant, ttlSeconds: 900 });
    expect(longer.expiresAt.getTime()).toBeGreaterThan(held.expiresAt.getTime() + 250_000);
    const next = await one.renew(caller('c'), { grant: held.grant });
    expect(next.expiresAt).toEqual(longer.expiresAt);
    expect(world.aws.can(next.credential.reveal())).toBe('allowed');
  });

  test('revoking stops the minting at once; what was handed out ends with its minute, and then it is revoked', async () => {
    const held = await one.issueFor('d', 600);
    const view = await revoke(one, held.grant);
    expect(view.state).toBe('ending');
    expect(await codeOf(two.renew(caller('d'), { grant: held.grant }))).toBe('grant_not_active');
    expect(held.can()).toBe('allowed');
    // A minute later.
    await world.ledger.age(held.grant, 60);
    world.aws.fake.advance(60_000);
    expect(held.can()).not.toBe('allowed');
    await one.settleGrant(held.grant);
    expect(await stateOf(world, held.grant)).toBe('revoked');
    expect(callsOf(world, 'CreatePolicyVersion')).toBe(0);
  });

  test('an id of a mint leads from CloudTrail to the ledger', async () => {
    const held = await one.issueFor('e', 600);
    const call = world.aws.fake.calls.findLast(({ action }) => action === 'GetScopedCredentials');
    const description = call?.params['ScopedSessionDescription'] ?? '';
    const [, mint = ''] = /^writ (m\w+) of g\w+ for t\w+$/.exec(description) ?? [];
    const row = await world.ledger.mint(mint as never);
    expect(row.handle).toMatchObject({ access_key_id: held.credential['access_key_id'] });
    expect(ids.mint()).not.toBe(mint);
  });
});
