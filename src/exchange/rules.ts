import { Fault, Refusal } from '../domain/errors.ts';
import type { Profile } from '../domain/profile.ts';
import type { PolicySet } from '../policy/policy.ts';

/** A compiled set of rules. */
export interface RuleSet {
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly policies: PolicySet;
}

/** The generation that this replica decides by. */
export interface ActiveRules extends RuleSet {
  readonly number: number;
  readonly hash: string;
}

/**
 * The rules in force, the same for every replica. One that has not loaded the active generation refuses to decide: here when it
 * knows that it is behind, and in the ledger in any case, where each decision names its generation.
 */
export interface LiveRules {
  /** @throws Fault `no_generation`, `generation_behind`. */
  current(): ActiveRules;
  /** The profiles of the generation that is loaded, whether or not it may decide; none before the first. */
  profiles(): readonly Profile[];
  /** Loads the active generation if another is loaded. Calls that overlap share one load. */
  refresh(): Promise<void>;
  status(): { readonly loaded?: number; readonly active?: number; readonly error?: string };
}

export interface RulesSource {
  activeNumber(): Promise<number | undefined>;
  active(): Promise<{ number: number; hash: string; body: string } | undefined>;
}

/** `compile` throws when the rules do not check here; this replica then stays behind, and says so, until another generation. */
export function makeLiveRules(source: RulesSource, compile: (body: string) => RuleSet): LiveRules {
  let loaded: ActiveRules | undefined;
  let active: number | undefined;
  let error: string | undefined;
  let loading: Promise<void> | undefined;
  let failed: number | undefined;

  async function load(): Promise<void> {
    active = await source.activeNumber();
    // what did not compile here does not the next time either, and compiling is not cheap
    if (active === undefined || active === loaded?.number || active === failed) return;
    const row = await source.active();
    if (!row) return;
    active = row.number;
    try {
      loaded = { ...compile(row.body), number: row.number, hash: row.hash };
      error = undefined;
    } catch (cause) {
      error = cause instanceof Error ? cause.message : 'unknown';
      failed = row.number;
    }
  }

  return {
    current() {
      if (active === undefined) throw new Fault('no_generation');
      if (loaded?.number !== active) throw new Fault('generation_behind');
      return loaded;
    },
    profiles: () => [...(loaded?.profiles.values() ?? [])],
    refresh() {
      loading ??= load().finally(() => (loading = undefined));
      return loading;
    },
    status: () => ({
      ...(loaded ? { loaded: loaded.number } : {}),
      ...(active === undefined ? {} : { active }),
      ...(error === undefined ? {} : { error }),
    }),
  };
}

/** Runs `work` on the rules in force; when another generation came in between, or an exception that it rests on ended, once more. */
export async function withRules<T>(rules: LiveRules, work: (active: ActiveRules) => Promise<T>): Promise<T> {
  try {
    return await work(rules.current());
  } catch (error) {
    if (!isOvertaken(error)) throw error;
    await rules.refresh();
    return work(rules.current());
  }
}

/** What was decided was decided by rules, or under an exception, that are no longer in force. */
export function isOvertaken(error: unknown): boolean {
  if (error instanceof Refusal) return error.code === 'exception_closed';
  return error instanceof Fault && (error.code === 'generation_behind' || error.code === 'no_generation');
}
