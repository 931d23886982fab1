/** What can shorten a task. Seconds are whole; instants are the database's time. */
export interface LifeLimits {
  readonly now: Date;
  readonly askedEndsAt?: Date | undefined;
  readonly defaultSeconds: number;
  readonly maxSeconds: number;
  /** The smallest `@max_ttl` of the policies that permitted it. */
  readonly policy?: { readonly id: string; readonly seconds: number } | undefined;
  /** How long somebody is vouched for, on whose behalf it is. */
  readonly principalUntil?: Date | undefined;
  /** The task that it is handed on from. */
  readonly parentEndsAt?: Date | undefined;
}

export interface TaskLife {
  readonly endsAt: Date;
  /** What decided: `request`, `default`, `max`, `policy:<id>`, `principal` or `parent`. */
  readonly decidedBy: string;
}

/** The minimum of all that apply; where two are equal the caller's own wish is named before a rule. */
export function taskLife(limits: LifeLimits): TaskLife {
  const { now, askedEndsAt, policy, principalUntil, parentEndsAt } = limits;
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const asked: [string, Date] | undefined = askedEndsAt && ['request', askedEndsAt];
  const otherwise: [string, Date] = parentEndsAt ? ['parent', parentEndsAt] : ['default', after(limits.defaultSeconds)];
  const caps: [string, Date][] = [asked ?? otherwise, ['max', after(limits.maxSeconds)]];
  if (policy) caps.push([`policy:${policy.id}`, after(policy.seconds)]);
  if (principalUntil) caps.push(['principal', principalUntil]);
  if (parentEndsAt) caps.push(['parent', parentEndsAt]);
  const [decidedBy, endsAt] = caps.reduce((least, cap) => (cap[1] < least[1] ? cap : least));
  return { endsAt, decidedBy };
}
