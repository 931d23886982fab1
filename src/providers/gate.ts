import type { Clock } from '../domain/clock.ts';
import { ProviderError } from '../domain/errors.ts';
import type { HealthFinding } from './provider.ts';
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
        throw nothingAskedYet(error);
      });
    }
    if (errors.length > 0) {
      throw new ProviderError('provider_refused', { nothingLives: true, facts: { findings: errors } });
    }
  };
}

/** Nothing was asked of the server but how it is set up. */
function nothingAskedYet(error: unknown): unknown {
  if (!(error instanceof ProviderError)) return error;
  const { code, facts, cause } = error;
  return new ProviderError(code, { nothingLives: true, facts, cause });
}

/** A gate for each subject, made when it is first asked for. @param keyOf - what tells one subject from another. */
export function makeGates<Subject>(
  inspect: (subject: Subject, signal: AbortSignal) => Promise<readonly HealthFinding[]>,
  clock: Clock,
  keyOf: (subject: Subject) => string,
) {
  const gates = new Map<string, Gate>();
  return (subject: Subject): Gate => {
    const key = keyOf(subject);
    const gate = gates.get(key) ?? makeGate((signal) => inspect(subject, signal), clock);
    gates.set(key, gate);
    return gate;
  };
}
