import { createHash } from 'node:crypto';
import type { GrantId, TaskId } from '../../src/domain/ids.ts';
import type { Selector } from '../../src/domain/selector.ts';
import { SELECTOR_KINDS } from '../../src/domain/selector.ts';
import type { CallRecord } from '../../src/ledger/index.ts';
import { seeded } from '../support/random.ts';
import { ids, makeWorld } from './world.ts';
import type { OpenedGrant, Shape, World } from './world.ts';

/** An order covers exactly what its selector names: nothing beside it is ever touched (CORRECTNESS, *Orders*). */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

/** The same few names for everything, so that a name in the wrong column would be noticed. */
const NAMES = ['a', 'b', 'c'];
const ROUNDS = 40;
const GRANTS = 12;
const TASKS = 8;

/** What of a grant a selector names, where it is chosen by whoever asks for the grant. */
const FIELDS: Partial<Record<Selector['kind'], keyof Shape>> = {
  agent: 'subject',
  on_behalf_of: 'onBehalfOf',
  profile: 'profile',
  owner: 'owner',
  environment: 'environment',
  provider: 'provider',
};

/** A task of a tree, with everything above it. */
interface TreeTask {
  readonly id: TaskId;
  readonly path: readonly TaskId[];
  readonly trust: string;
  readonly subject: string;
  readonly onBehalfOf: string | null;
}

interface Placed extends OpenedGrant {
  readonly path: readonly TaskId[];
}

const covers = ({ kind, value }: Selector, { shape, path }: Pick<Placed, 'shape' | 'path'>): boolean => {
  if (kind === 'task') return path.some((task) => task === value);
  const named = {
    agent: shape.subject,
    on_behalf_of: shape.onBehalfOf,
    profile: shape.profile,
    owner: shape.owner,
    environment: shape.environment,
    provider: shape.provider,
    all: '*',
  };
  return named[kind] === value;
};

test(`${ROUNDS} orders over random grants and trees of tasks`, async () => {
  const random = seeded(7);
  const anyShape = (): Shape => ({
    trust: random.pick(NAMES),
    subject: random.pick(NAMES),
    onBehalfOf: random.pick([null, ...NAMES]),
    profile: random.pick(NAMES),
    provider: random.pick(NAMES),
    owner: random.pick(NAMES),
    environment: random.pick(NAMES),
  });
  const tasks: TreeTask[] = [];
  /** Another task: a root, or below one of those that are there, of a workload that is not on its way. */
  async function grow(): Promise<void> {
    const { trust, subject, onBehalfOf } = anyShape();
    const fitting = tasks.filter((task) => !ownersOf(task).includes(`${trust}/${subject}`));
    const parent = fitting.length > 0 && random.next() < 0.7 ? random.pick(fitting) : undefined;
    const behalf = parent ? parent.onBehalfOf : onBehalfOf;
    const id = await world.task({ parent: parent?.id ?? null, on_behalf_of: behalf }, { trust, subject });
    tasks.push({ id, path: [...(parent?.path ?? []), id], trust, subject, onBehalfOf: behalf });
  }
  const ownersOf = ({ path }: TreeTask) =>
    tasks.filter(({ id }) => path.includes(id)).map(({ trust, subject }) => `${trust}/${subject}`);
  /** A grant's shape, and the task that it hangs off, if it is not to be one of its own. */
  const place = () => {
    const task = random.next() < 0.6 ? random.pick(tasks) : undefined;
    const { trust, subject, onBehalfOf } = task ?? anyShape();
    return { shape: { ...anyShape(), trust, subject, onBehalfOf }, task };
  };
  const living = new Set<Placed>();
  const touched = async () =>
    (await world.sql<{ id: string }>(`select id from grants where state not in ('issuing', 'active')`))
      .map(({ id }) => id)
      .sort();
  const gone: string[] = [];
  const covering: Record<string, number> = {};

  for (let round = 0; round < ROUNDS; round++) {
    while (tasks.length < TASKS) await grow();
    while (living.size < GRANTS) {
      const { shape, task } = place();
      const open = random.next() < 0.7 ? world.live : world.open;
      const opened = await open({ ...shape, ...(task && { task: task.id }) });
      living.add({ ...opened, path: task?.path ?? [opened.task] });
    }
    const kind = SELECTOR_KINDS[round % SELECTOR_KINDS.length] ?? 'all';
    const one = random.pick([...living]);
    const value = kind === 'all' ? '*' : kind === 'task' ? random.pick(one.path) : random.pick(NAMES);
    const selector = { kind, value };
    const covered = [...living].filter((grant) => covers(selector, grant));
    covering[kind] = (covering[kind] ?? 0) + covered.length;
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
    for (const task of tasks) {
      const stands = blocks && coversTask(selector, task);
      expect({ selector, task: await world.ledger.tasks.isActive(task.id) }).toEqual({ selector, task: !stands });
    }
    // and so are calls: under each grant, and on each task, of a tool that is nobody's here
    const under = [...living].map((grant) => ({
      call: callOf(grant.shape, grant.path, grant.grant),
      code: covered.includes(grant)
        ? blocks
          ? 'under_order'
          : 'grant_not_active'
        : active.has(grant.grant)
          ? null
          : 'grant_not_active',
    }));
    const on = tasks.map((task) => ({
      call: callOf(task, task.path),
      code: blocks && coversTask(selector, task) ? 'under_order' : null,
    }));
    const calls = [...under, ...on];
    expect({ selector, codes: await recorded(calls.map(({ call }) => call)) }).toEqual({
      selector,
      codes: calls.map(({ code }) => code),
    });

    const { shape, task } = place();
    const field = FIELDS[kind];
    const wanted = { ...shape, ...(field && !task && random.next() < 0.5 ? { [field]: value } : {}) };
    const newcomer = world.opening({ ...wanted, ...(task && { task: task.id }) });
    const same = {
      ...{ shape: wanted, grant: newcomer.grant.id, mint: newcomer.mint.id, task: newcomer.task.id, epoch: 1 },
      path: task?.path ?? [newcomer.task.id],
    };
    const opened = world.ledger.issuing.openGrant(newcomer);
    if (blocks && covers(selector, same)) {
      await expect(opened).rejects.toMatchObject({ code: 'under_order', facts: { order } });
    } else {
      await opened;
      living.add(same);
    }
    // nothing is handed on from what it covers, also to somebody whom it does not cover
    const from = random.pick(tasks);
    const below = world.task({ parent: from.id, on_behalf_of: from.onBehalfOf }, { trust: 'd', subject: 'd' });
    if (blocks && coversTask(selector, from))
      await expect(below).rejects.toMatchObject({ code: 'under_order', facts: { order } });
    else expect(await below).toEqual(expect.any(String));

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
  expect(Object.keys(covering).sort()).toEqual([...SELECTOR_KINDS].sort());
  expect(Object.values(covering).every((count) => count > 0)).toBe(true);
});

type Whose = Pick<Shape, 'trust' | 'subject' | 'onBehalfOf'>;

/** A call that the rules allow, on a task and perhaps under a grant that hangs off it. */
function callOf({ trust, subject, onBehalfOf }: Whose, path: readonly TaskId[], grant?: GrantId): CallRecord {
  const [root, id] = [path[0], path.at(-1)];
  return {
    ...{ id: ids.decision(), trust, subject, onBehalfOf, resource: 'tool', outcome: 'allow', code: null, policies: [] },
    ...{
      controls: [],
      errors: [],
      askedBy: null,
      owner: 'nobody',
      environment: 'nowhere',
      inputs: '{}',
      mode: 'autonomous',
    },
    inputsHash: createHash('sha256').update('{}').digest('hex'),
    task: root && id ? { id, root, budgeted: false } : null,
    ...{ grant: grant ?? null, approval: null, exception: null, argumentsHash: null, arguments: null },
  };
}

async function recorded(calls: readonly CallRecord[]): Promise<(string | null)[]> {
  const batch = { generation: world.generation(), rulesHash: 'a'.repeat(64), origin: null, untilDeny: false, calls };
  return (await world.ledger.calls.record(batch)).map(({ code }) => code);
}

/** A task has no profile, owner or provider: those are of what hangs off it. */
function coversTask({ kind, value }: Selector, { path, subject, onBehalfOf }: TreeTask): boolean {
  if (kind === 'task') return path.some((task) => task === value);
  return kind === 'all' || (kind === 'agent' && value === subject) || (kind === 'on_behalf_of' && value === onBehalfOf);
}
