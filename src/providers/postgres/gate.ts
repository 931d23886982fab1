import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { HealthFinding } from '../provider.ts';
import { certain } from './errors.ts';
import { within } from './within.ts';

/** How long a set-up that was found safe, or unsafe, is not looked at again. */
const SAFE_MS = 60_000;
const UNSAFE_MS = 5_000;
const LOOK_MS = 9_000;

/** @throws ProviderError `provider_refused` with the findings, or why nobody could look; nothing lives. */
export type Gate = (signal: AbortSignal) => Promise<void>;

/** Opens when a look, lately, has found no error. One look at a time, for all who wait. */
export function makeGate(inspect: (signal: AbortSignal) => Promise<readonly HealthFinding[]>, clock: Clock): Gate {
  let known: { readonly errors: readonly string[]; readonly until: number } | undefined;
  let looking: Promise<readonly string[]> | undefined;

  const look = async () => {
    const findings = await inspect(AbortSignal.timeout(LOOK_MS));
    const errors = [...new Set(findings.flatMap((each) => (each.severity === 'error' ? [each.code] : [])))];
    known = { errors, until: clock.now().getTime() + (errors.length === 0 ? SAFE_MS : UNSAFE_MS) };
    return errors;
  };

  return async (signal) => {
    let errors = known && clock.now().getTime() < known.until ? known.errors : undefined;
    if (!errors) {
      looking ??= look().finally(() => (looking = undefined));
      errors = await within(LOOK_MS, signal, looking).catch((error: unknown) => {
        throw certain(error);
      });
    }
    if (errors.length > 0) {
      throw new ProviderError('provider_refused', { nothingLives: true, facts: { findings: errors } });
    }
  };
}

/** A gate for each key, made when it is first asked for. */
export function makeGates(
  inspect: (key: string, signal: AbortSignal) => Promise<readonly HealthFinding[]>,
  clock: Clock,
) {
  const gates = new Map<string, Gate>();
  return (key: string): Gate => {
    const gate = gates.get(key) ?? makeGate((signal) => inspect(key, signal), clock);
    gates.set(key, gate);
    return gate;
  };
}
