import type { Selector } from '../../src/domain/selector.ts';
import { SELECTOR_KINDS } from '../../src/domain/selector.ts';
import { seeded } from '../support/random.ts';
import { makeWorld } from './world.ts';
import type { OpenedGrant, Shape, World } from './world.ts';

/** An order covers exactly what its selector names: nothing beside it is ever touched (CORRECTNESS, *Orders*). */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

/** The same few names for everything, so that a name in the wrong column would be noticed. */
const NAMES = ['a', 'b', 'c'];
const ROUNDS = 24;
const GRANTS = 12;

/** What of a grant a selector names, where it is chosen by whoever asks for the grant. */
const FIELDS: Partial<Record<Selector['kind'], keyof Shape>> = {
  agent: 'subject',
  profile: 'profile',
  owner: 'owner',
  environment: 'environment',
  provider: 'provider',
};

const covers = ({ kind, value }: Selector, grant: OpenedGrant): boolean => {
  const { shape, task } = grant;
  const named = {
    agent: shape.subject,
    task,
    profile: shape.profile,
    owner: shape.owner,
    environment: shape.environment,
    provider: shape.provider,
    all: '*',
  };
  return named[kind] === value;
};

test(`${ROUNDS} orders over random grants`, async () => {
  const random = seeded(7);
  const shape = (): Shape => ({
    trust: random.pick(NAMES),
    subject: random.pick(NAMES),
    onBehalfOf: random.pick([null, ...NAMES]),
    profile: random.pick(NAMES),
    provider: random.pick(NAMES),
    owner: random.pick(NAMES),
    environment: random.pick(NAMES),
  });
  const living = new Set<OpenedGrant>();
  const touched = async () =>
    (await world.sql<{ id: string }>(`select id from grants where state not in ('issuing', 'active')`))
      .map(({ id }) => id)
      .sort();
  const gone: string[] = [];

  for (let round = 0; round < ROUNDS; round++) {
    while (living.size < GRANTS) living.add(await (random.next() < 0.7 ? world.live : world.open)(shape()));
    const kind = SELECTOR_KINDS[round % SELECTOR_KINDS.length] ?? 'all';
    const value = kind === 'all' ? '*' : kind === 'task' ? random.pick([...living]).task : random.pick(NAMES);
    const selector = { kind, value };
    const covered = [...living].filter((grant) => covers(selector, grant));
    const active = new Set(
      (await world.sql<{ id: string }>(`select id from grants where state = 'active'`)).map(({ id }) => id),
    );

    const counts: Record<string, number> = {};
    for (const { shape } of covered) counts[shape.provider] = (counts[shape.provider] ?? 0) + 1;
    expect(await world.ledger.orders.countMatching(selector)).toEqual(counts);

    const blocks = random.next() < 0.7;
    const order = await world.order(selector, blocks);
    for (const grant of living) {
      // from the commit of the order, before anything was swept
      const counted = await world.ledger.grants.mintIsActive(grant.mint);
      expect({ selector, counted }).toEqual({ selector, counted: active.has(grant.grant) && !covered.includes(grant) });
    }
    const field = FIELDS[kind];
    const newcomer = world.opening({ ...shape(), ...(field && random.next() < 0.5 ? { [field]: value } : {}) });
    const { grant, task, decision } = newcomer;
    const same = {
      shape: { ...grant, trust: decision.trust, subject: decision.subject, onBehalfOf: task.on_behalf_of },
      ...{ grant: grant.id, mint: newcomer.mint.id, task: task.id, epoch: 1 },
    };
    const opened = world.ledger.issuing.openGrant(newcomer);
    if (blocks && covers(selector, same)) {
      await expect(opened).rejects.toMatchObject({ code: 'under_order', facts: { order } });
    } else {
      await opened;
      living.add(same);
    }

    for (;;) if ((await world.ledger.reaping.sweep(order, 3)).done) break;
    for (const grant of covered) {
      living.delete(grant);
      gone.push(grant.grant);
      expect(await world.grant(grant.grant)).toMatchObject({ state: 'ending', why: 'order', order_id: order });
    }
    expect(await touched()).toEqual([...gone].sort());
    await world.sql('update orders set lifted_at = now() where id = $1', [order]);
  }
  expect(gone.length).toBeGreaterThan(ROUNDS);
});
