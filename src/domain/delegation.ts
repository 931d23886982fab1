import { TASK_MODES } from './task.ts';
import type { TaskMode } from './task.ts';

/** All that a task may do of what the policies allow, as data. What is absent is not bounded by it. */
export interface Rights {
  readonly mode: TaskMode;
  readonly environment: string;
  /** Everything that it reaches, `environment` included. */
  readonly environments: readonly string[];
  readonly profiles?: readonly string[];
  readonly tools?: readonly string[];
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly maxTtlSeconds?: number;
  readonly endsAt: Date;
  readonly maxGrants?: number;
  readonly maxCalls?: number;
}

/** What a sub-agent asks for of its parent's rights; what it leaves out is the parent's. */
export type Wish = Partial<Rights>;

/** In what a child's rights are no part of its parent's. */
export type Widening =
  | 'mode'
  | 'environment'
  | 'environments'
  | 'profiles'
  | 'tools'
  | `parameters.${string}`
  | 'max_ttl_seconds'
  | 'ends_at'
  | 'max_grants'
  | 'max_calls';

/** The rights that a wish comes to. A wish for one environment is for that one alone, and bounds on parameters add up. */
export function handedOn(parent: Rights, wish: Wish): Rights {
  const environments = wish.environments ?? (wish.environment === undefined ? parent.environments : [wish.environment]);
  const environment =
    wish.environment ?? (environments.includes(parent.environment) ? parent.environment : environments[0]);
  return {
    ...parent,
    ...wish,
    environment: environment ?? parent.environment,
    environments,
    parameters: { ...parent.parameters, ...wish.parameters },
  };
}

/** In what `child` is wider than `parent`: none, and every request that lies within it lies within its parent too. */
export function widenings(parent: Rights, child: Rights): Widening[] {
  const found: Widening[] = [];
  const check = (what: Widening, narrow: boolean) => {
    if (!narrow) found.push(what);
  };
  check('mode', TASK_MODES.indexOf(child.mode) <= TASK_MODES.indexOf(parent.mode));
  check('environment', child.environments.includes(child.environment));
  check('environments', isPart(child.environments, parent.environments));
  check('profiles', isPart(child.profiles, parent.profiles));
  check('tools', isPart(child.tools, parent.tools));
  for (const [name, values] of Object.entries(parent.parameters)) {
    const own = Object.hasOwn(child.parameters, name) ? child.parameters[name] : undefined;
    check(`parameters.${name}`, isPart(own, values));
  }
  check('max_ttl_seconds', isAtMost(child.maxTtlSeconds, parent.maxTtlSeconds));
  check('ends_at', child.endsAt <= parent.endsAt);
  check('max_grants', isAtMost(child.maxGrants, parent.maxGrants));
  check('max_calls', isAtMost(child.maxCalls, parent.maxCalls));
  return found;
}

/** Absent is everything: a part of nothing but of everything. */
function isPart(part: readonly string[] | undefined, whole: readonly string[] | undefined): boolean {
  return whole === undefined || (part !== undefined && part.every((one) => whole.includes(one)));
}

function isAtMost(amount: number | undefined, limit: number | undefined): boolean {
  return limit === undefined || (amount !== undefined && amount <= limit);
}
