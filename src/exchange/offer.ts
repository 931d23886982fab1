import { Refusal } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { checkParameters } from '../domain/parameters.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Parameters, Profile } from '../domain/profile.ts';
import type { Task } from '../domain/task.ts';
import type { Provider } from '../providers/provider.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuseUnasked } from './decide.ts';
import type { ActiveRules } from './rules.ts';

/** The profile and its provider. @param on - what it is asked for on, as far as it is there already.
 * @throws Refusal `unknown_profile`, `profile_off`, on record. */
export async function offered(
  context: ExchangeContext,
  rules: ActiveRules,
  caller: Caller,
  action: 'issue' | 'renew',
  name: string,
  on: { readonly task?: Task | undefined; readonly grant?: GrantId },
): Promise<{ profile: Profile; provider: Provider }> {
  const profile = rules.profiles.get(name);
  const provider = profile && context.providers.get(profile.provider);
  if (profile && provider) return { profile, provider };
  const code = profile ? 'profile_off' : 'unknown_profile';
  return refuseUnasked(context, rules, caller, { action, resource: name, code, ...on }, { profile: name });
}

/** The parameters as the profile declares them. @throws Refusal `invalid_request` with every fault at once. */
export function fitting(profile: Profile, given: Readonly<Record<string, Json>>): Parameters {
  const checked = checkParameters(profile, given);
  if (checked.ok) return checked.parameters;
  const errors = checked.faults.map(({ parameter, problem, pattern }) => ({
    path: `parameters.${parameter}`,
    problem,
    ...(pattern === undefined ? {} : { pattern }),
  }));
  throw new Refusal('invalid_request', { errors });
}
