import { Refusal } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import type { Principal } from '../domain/task.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuseUnasked } from './decide.ts';
import { withRules } from './rules.ts';

/** On whose behalf, as a workload says it: by name, which policy has to permit, or by a token of theirs. */
export type GivenPrincipal = string | { readonly token: string };

/** For what it is said: a profile, or a task that is not there yet. */
export type PrincipalFor = { readonly action: 'issue'; readonly profile: string } | { readonly action: 'create_task' };

/**
 * Finds out whom a workload acts for. A token must be made out to this broker and be vouched for by a trust entry that
 * attests principals; one that does not hold is a refusal, and never only a name. @throws Refusal `principal_refused`, on record.
 */
export function makeResolvePrincipal(
  context: Pick<ExchangeContext, 'ledger' | 'rules' | 'ids'>,
  attest: (token: string) => Promise<Identity>,
) {
  function refused(caller: Caller, wanted: PrincipalFor, why: string): Promise<never> {
    return withRules(context.rules, (rules) => {
      const { action } = wanted;
      const resource = action === 'issue' ? wanted.profile : context.ids.task();
      return refuseUnasked(context, rules, caller, { action, resource, code: 'principal_refused' }, { why });
    });
  }

  return async function resolvePrincipal(
    caller: Caller,
    wanted: PrincipalFor,
    given: GivenPrincipal,
  ): Promise<Principal> {
    if (typeof given === 'string') return { id: given };
    const { id, trust, groups, vouchedUntil, issuer, subject } = await attest(given.token).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      return refused(caller, wanted, error.code);
    });
    const who = issuer === undefined || subject === undefined ? {} : { issuer, subject };
    return { id, verified: { trust, groups, ...who, vouchedUntil } };
  };
}
export type ResolvePrincipal = ReturnType<typeof makeResolvePrincipal>;
