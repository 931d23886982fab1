import { Refusal } from './errors.ts';
import type { TtlRule } from './profile.ts';

/** Everything that can shorten a grant. Seconds are whole; instants are the database's time. */
export interface TtlLimits {
  readonly now: Date;
  /** When the grant's first credential was opened; `now` for a new grant. Maxima count from here: renewing never extends them. */
  readonly startedAt: Date;
  readonly askedSeconds?: number | undefined;
  readonly rule: TtlRule;
  /** The smallest `@max_ttl` of the policies that permitted it. */
  readonly policy?: { readonly id: string; readonly seconds: number } | undefined;
  readonly taskEndsAt?: Date | undefined;
  /** The longest grant that the task allows. */
  readonly taskMaxSeconds?: number | undefined;
  /** When the exception ends under which it was permitted. */
  readonly exceptionEndsAt?: Date | undefined;
  readonly vouchedUntil: Date;
  readonly providerMaxSeconds?: number | undefined;
}

export interface Ttl {
  readonly seconds: number;
  readonly endsAt: Date;
  /** What decided: `request`, `profile_default`, `profile_max`, `policy:<id>`, `task`, `exception`, `identity` or `provider`. */
  readonly decidedBy: string;
}

/**
 * The minimum of all that apply (DESIGN, promise 6). Where two are equal the caller's own wish is named before a rule.
 * @throws Refusal `ttl_below_minimum` when less than the profile's minimum is left: it is refused, never rounded up.
 */
export function capTtl(limits: TtlLimits): Ttl {
  const { now, startedAt, rule } = limits;
  const until = (instant: Date) => Math.floor((instant.getTime() - now.getTime()) / 1000);
  const fromStart = (seconds: number) => until(new Date(startedAt.getTime() + seconds * 1000));
  const caps: [string, number][] = [
    limits.askedSeconds === undefined ? ['profile_default', rule.default] : ['request', limits.askedSeconds],
    ['profile_max', fromStart(rule.max)],
  ];
  if (limits.policy) caps.push([`policy:${limits.policy.id}`, fromStart(limits.policy.seconds)]);
  if (limits.taskEndsAt) caps.push(['task', until(limits.taskEndsAt)]);
  if (limits.taskMaxSeconds !== undefined) caps.push(['task', fromStart(limits.taskMaxSeconds)]);
  if (limits.exceptionEndsAt) caps.push(['exception', until(limits.exceptionEndsAt)]);
  caps.push(['identity', until(limits.vouchedUntil)]);
  if (limits.providerMaxSeconds !== undefined) caps.push(['provider', limits.providerMaxSeconds]);
  const [decidedBy, seconds] = caps.reduce((least, cap) => (cap[1] < least[1] ? cap : least));
  if (seconds < rule.min) throw new Refusal('ttl_below_minimum', { seconds, minimum: rule.min, decided_by: decidedBy });
  return { seconds, endsAt: new Date(now.getTime() + seconds * 1000), decidedBy };
}
