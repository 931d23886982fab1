import { handedOn, widenings } from '../../src/domain/delegation.ts';
import type { Rights, Wish } from '../../src/domain/delegation.ts';
import { outsideTask, TASK_MODES } from '../../src/domain/task.ts';
import { seeded } from '../support/random.ts';
import type { Random } from '../support/random.ts';

const HOUR = new Date('2026-11-25T13:00:00Z');
const PARENT: Rights = {
  mode: 'supervised',
  environment: 'staging',
  environments: ['staging', 'production'],
  profiles: ['orders-read', 'invoices-read'],
  tools: ['refund'],
  parameters: { month: ['2026-10', '2026-11'] },
  maxTtlSeconds: 600,
  endsAt: HOUR,
  maxGrants: 5,
  maxCalls: 10,
};
const earlier = new Date(HOUR.getTime() - 1);
const later = new Date(HOUR.getTime() + 1);

test.each<{ name: string; wish: Wish; want: object; wider?: readonly string[] }>([
  { name: 'nothing: all that the parent has', wish: {}, want: PARENT },
  {
    name: 'one environment: that one alone',
    wish: { environment: 'production' },
    want: { environment: 'production', environments: ['production'] },
  },
  {
    name: 'some environments without the parent’s own',
    wish: { environments: ['production'] },
    want: { environment: 'production' },
  },
  {
    name: 'a parameter more',
    wish: { parameters: { customer: ['7'] } },
    want: { parameters: { month: ['2026-10', '2026-11'], customer: ['7'] } },
  },
  {
    name: 'less of a parameter',
    wish: { parameters: { month: ['2026-11'] } },
    want: { parameters: { month: ['2026-11'] } },
  },
  { name: 'no profile at all', wish: { profiles: [] }, want: { profiles: [] } },
  { name: 'the most restrictive mode', wish: { mode: 'observe' }, want: { mode: 'observe' } },
  { name: 'an earlier end', wish: { endsAt: earlier }, want: { endsAt: earlier } },
  { name: 'a part of the budget', wish: { maxGrants: 1, maxCalls: 10 }, want: { maxGrants: 1, maxCalls: 10 } },
  { name: 'another environment', wish: { environment: 'development' }, want: {}, wider: ['environments'] },
  {
    name: 'one more environment',
    wish: { environments: ['staging', 'development'] },
    want: {},
    wider: ['environments'],
  },
  {
    name: 'an environment that it does not reach itself',
    wish: { environment: 'production', environments: ['staging'] },
    want: {},
    wider: ['environment'],
  },
  { name: 'a looser mode', wish: { mode: 'autonomous' }, want: {}, wider: ['mode'] },
  { name: 'another profile', wish: { profiles: ['orders-read', 'orders-write'] }, want: {}, wider: ['profiles'] },
  { name: 'another tool', wish: { tools: ['refund', 'wire'] }, want: {}, wider: ['tools'] },
  {
    name: 'another month',
    wish: { parameters: { month: ['2026-11', '2026-12'] } },
    want: {},
    wider: ['parameters.month'],
  },
  { name: 'longer credentials', wish: { maxTtlSeconds: 601 }, want: {}, wider: ['max_ttl_seconds'] },
  { name: 'a later end', wish: { endsAt: later }, want: {}, wider: ['ends_at'] },
  { name: 'more than is left', wish: { maxGrants: 6, maxCalls: 11 }, want: {}, wider: ['max_grants', 'max_calls'] },
])('$name', ({ wish, want, wider = [] }) => {
  const child = handedOn(PARENT, wish);
  expect(child).toMatchObject(want);
  expect(widenings(PARENT, child)).toEqual(wider);
});

test('what a parent does not bound, a child may; what it bounds, a child without a bound exceeds', () => {
  const open: Rights = { mode: 'autonomous', environment: 'a', environments: ['a'], parameters: {}, endsAt: HOUR };
  expect(widenings(open, { ...PARENT, environment: 'a', environments: ['a'] })).toEqual([]);
  expect(widenings({ ...PARENT, environments: ['a', 'staging'] }, open)).toEqual([
    ...['mode', 'profiles', 'tools', 'parameters.month', 'max_ttl_seconds', 'max_grants', 'max_calls'],
  ]);
  // names that objects have by themselves are names like any other
  const odd = { ...open, parameters: { constructor: ['x'] } };
  expect(widenings(odd, open)).toEqual(['parameters.constructor']);
});

/** Random trees: what a task may do, all that is below it may not exceed, whatever was wished for. */
describe('a child’s rights are a part of its parent’s, all the way up', () => {
  const NAMES = ['a', 'b', 'c', 'd'];
  const some = (random: Random) => NAMES.filter(() => random.next() < 0.6);
  const maybe = <T>(random: Random, value: () => T, chance = 0.5) => (random.next() < chance ? value() : undefined);

  function wish(random: Random): Wish {
    const environments = some(random);
    const members = {
      mode: maybe(random, () => random.pick(TASK_MODES)),
      environment: maybe(random, () => random.pick(NAMES), 0.2),
      environments: environments.length > 0 ? maybe(random, () => environments, 0.3) : undefined,
      profiles: maybe(random, () => some(random)),
      tools: maybe(random, () => some(random)),
      parameters: maybe(random, () => ({ [random.pick(['p', 'q'])]: some(random) })),
      maxTtlSeconds: maybe(random, () => 1 + Math.floor(random.next() * 9)),
      endsAt: maybe(random, () => new Date(HOUR.getTime() - Math.floor(random.next() * 9))),
      maxGrants: maybe(random, () => 1 + Math.floor(random.next() * 9)),
      maxCalls: maybe(random, () => 1 + Math.floor(random.next() * 9)),
    };
    return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  }
  const root = (random: Random): Rights => ({
    ...{ mode: 'autonomous' as const, environment: 'a', environments: NAMES, parameters: {}, endsAt: HOUR },
    ...wish(random),
    ...{ environment: 'a', environments: ['a', ...some(random).filter((name) => name !== 'a')] },
  });

  /** Something that could be asked for, within `rights` more often than not, and whether a task allows it. */
  const asking = (rights: Rights, random: Random) => {
    const near = (names: readonly string[] = NAMES) =>
      random.pick(names.length > 0 && random.next() < 0.9 ? names : NAMES);
    const profile = { name: near(rights.profiles), environment: near(rights.environments) };
    const parameters = { p: near(rights.parameters['p']), q: near(rights.parameters['q']) };
    const tool = near(rights.tools);
    const mode = random.next() < 0.7 ? 'observe' : random.pick(TASK_MODES);
    const seconds = 1 + Math.floor(random.next() * 9);
    const count = 1 + Math.floor(random.next() * 3);
    return (task: Rights) => {
      const { environment, environments, profiles, tools, parameters: bound } = task;
      const bounds = { environments, ...(profiles && { profiles }), ...(tools && { tools }), parameters: bound };
      return (
        outsideTask({ environment, bounds }, profile, parameters).length === 0 &&
        (tools?.includes(tool) ?? true) &&
        TASK_MODES.indexOf(task.mode) >= TASK_MODES.indexOf(mode) &&
        seconds <= (task.maxTtlSeconds ?? Infinity) &&
        count <= Math.min(task.maxGrants ?? Infinity, task.maxCalls ?? Infinity) &&
        HOUR.getTime() - count <= task.endsAt.getTime()
      );
    };
  };

  test('400 trees', () => {
    const random = seeded(11);
    let [handed, refused, within] = [0, 0, 0];
    for (let tree = 0; tree < 400; tree++) {
      const way: Rights[] = [root(random)];
      for (let depth = 0; depth < 5; depth++) {
        const parent = way.at(-1) ?? root(random);
        const child = handedOn(parent, wish(random));
        if (widenings(parent, child).length > 0) {
          refused += 1;
          continue;
        }
        handed += 1;
        way.push(child);
        for (const above of way) expect(widenings(above, child)).toEqual([]);
        for (let asked = 0; asked < 30; asked++) {
          const question = asking(child, random);
          if (!question(child)) continue;
          within += 1;
          expect(way.map(question)).toEqual(way.map(() => true));
        }
      }
    }
    expect({ handed: handed > 300, refused: refused > 300, within: within > 300 }).toEqual({
      handed: true,
      refused: true,
      within: true,
    });
  });
});
