import { capTtl } from '../../src/domain/ttl.ts';
import type { TtlLimits } from '../../src/domain/ttl.ts';
import { seeded } from '../support/random.ts';

const NOW = new Date('2026-11-23T12:00:00.400Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const RULE = { default: 900, max: 3600, min: 60 };
const LIMITS: TtlLimits = { now: NOW, startedAt: NOW, rule: RULE, vouchedUntil: at(7200) };

test.each<{ name: string; limits: Partial<TtlLimits>; seconds: number; decidedBy: string }>([
  { name: 'nothing is asked for', limits: {}, seconds: 900, decidedBy: 'profile_default' },
  { name: 'less is asked for', limits: { askedSeconds: 300 }, seconds: 300, decidedBy: 'request' },
  { name: 'more than the default is asked for', limits: { askedSeconds: 1800 }, seconds: 1800, decidedBy: 'request' },
  {
    name: 'more than the maximum is asked for',
    limits: { askedSeconds: 9000 },
    seconds: 3600,
    decidedBy: 'profile_max',
  },
  { name: 'as much as the maximum is asked for', limits: { askedSeconds: 3600 }, seconds: 3600, decidedBy: 'request' },
  { name: 'exactly the minimum is asked for', limits: { askedSeconds: 60 }, seconds: 60, decidedBy: 'request' },
  { name: 'a policy says less', limits: { policy: { id: 'p', seconds: 100 } }, seconds: 100, decidedBy: 'policy:p' },
  {
    name: 'a policy says more',
    limits: { policy: { id: 'p', seconds: 1000 } },
    seconds: 900,
    decidedBy: 'profile_default',
  },
  { name: 'the task ends before', limits: { taskEndsAt: at(200) }, seconds: 200, decidedBy: 'task' },
  {
    name: 'the task ends before, in a fraction of a second',
    limits: { taskEndsAt: at(200.9) },
    seconds: 200,
    decidedBy: 'task',
  },
  { name: 'the task allows less', limits: { taskMaxSeconds: 150 }, seconds: 150, decidedBy: 'task' },
  {
    name: 'the identity is vouched for less',
    limits: { vouchedUntil: at(120.5) },
    seconds: 120,
    decidedBy: 'identity',
  },
  { name: 'the provider gives less', limits: { providerMaxSeconds: 90 }, seconds: 90, decidedBy: 'provider' },
  {
    name: 'all of it at once',
    limits: {
      askedSeconds: 500,
      policy: { id: 'p', seconds: 400 },
      taskEndsAt: at(300),
      vouchedUntil: at(200),
      providerMaxSeconds: 100,
    },
    seconds: 100,
    decidedBy: 'provider',
  },
  {
    name: 'all are equal: the caller’s own wish is named',
    limits: {
      askedSeconds: 100,
      policy: { id: 'p', seconds: 100 },
      taskEndsAt: at(100),
      vouchedUntil: at(100),
      providerMaxSeconds: 100,
    },
    seconds: 100,
    decidedBy: 'request',
  },
  {
    name: 'renewed: what is left of the profile’s maximum',
    limits: { startedAt: at(-3000) },
    seconds: 600,
    decidedBy: 'profile_max',
  },
  {
    name: 'renewed: what is left of the policy’s',
    limits: { startedAt: at(-800), policy: { id: 'p', seconds: 1000 } },
    seconds: 200,
    decidedBy: 'policy:p',
  },
  {
    name: 'renewed: what is left of what the task allows',
    limits: { startedAt: at(-100), taskMaxSeconds: 250 },
    seconds: 150,
    decidedBy: 'task',
  },
  {
    name: 'renewed in the final second that has the minimum',
    limits: { startedAt: at(-3540) },
    seconds: 60,
    decidedBy: 'profile_max',
  },
])('$name: $seconds s by $decidedBy', ({ limits, seconds, decidedBy }) => {
  expect(capTtl({ ...LIMITS, ...limits })).toEqual({ seconds, decidedBy, endsAt: at(seconds) });
});

test.each<{ name: string; limits: Partial<TtlLimits>; seconds: number; by: string }>([
  { name: 'asked for', limits: { askedSeconds: 59 }, seconds: 59, by: 'request' },
  { name: 'left of the maximum', limits: { startedAt: at(-3540.001) }, seconds: 59, by: 'profile_max' },
  { name: 'left by the policy', limits: { policy: { id: 'p', seconds: 30 } }, seconds: 30, by: 'policy:p' },
  { name: 'left of the task', limits: { taskEndsAt: at(59.999) }, seconds: 59, by: 'task' },
  { name: 'left of the identity', limits: { vouchedUntil: at(0) }, seconds: 0, by: 'identity' },
  { name: 'left of an identity that has ended', limits: { vouchedUntil: at(-5) }, seconds: -5, by: 'identity' },
  { name: 'given by the provider', limits: { providerMaxSeconds: 15 }, seconds: 15, by: 'provider' },
])('less than the minimum, $name: refused, never rounded up', ({ limits, seconds, by }) => {
  let refused: unknown;
  try {
    capTtl({ ...LIMITS, ...limits });
  } catch (error) {
    refused = error;
  }
  expect(refused).toMatchObject({ code: 'ttl_below_minimum', facts: { seconds, minimum: 60, decided_by: by } });
});

test('whatever is given, no cap is passed', () => {
  const random = seeded(11);
  const maybe = (most: number) => (random.next() < 0.5 ? undefined : Math.floor(random.next() * most));
  for (let n = 0; n < 2_000; n++) {
    const age = random.next() * 4_000;
    const policy = maybe(5_000);
    const task = maybe(5_000);
    const limits: TtlLimits = {
      now: NOW,
      startedAt: at(-age),
      askedSeconds: maybe(5_000),
      rule: RULE,
      policy: policy === undefined ? undefined : { id: 'p', seconds: policy },
      taskEndsAt: task === undefined ? undefined : at(task),
      vouchedUntil: at(random.next() * 5_000),
      providerMaxSeconds: maybe(5_000),
    };
    let ttl: ReturnType<typeof capTtl>;
    try {
      ttl = capTtl(limits);
    } catch {
      continue;
    }
    expect(ttl.seconds).toBeGreaterThanOrEqual(RULE.min);
    const ends = [
      at(limits.askedSeconds ?? RULE.default),
      at(RULE.max - age),
      ...(policy === undefined ? [] : [at(policy - age)]),
      ...(task === undefined ? [] : [at(task)]),
      limits.vouchedUntil,
      ...(limits.providerMaxSeconds === undefined ? [] : [at(limits.providerMaxSeconds)]),
    ];
    for (const end of ends) expect(ttl.endsAt.getTime()).toBeLessThanOrEqual(end.getTime());
  }
});
