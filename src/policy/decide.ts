import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs';
import type { Annotated } from './annotations.ts';
import { toCedar } from './call.ts';
import type { PolicyAnswer, PolicyRequest } from './policy.ts';
import type { ParseInput, Slots } from './slots.ts';

export type Annotations = ReadonlyMap<string, Annotated>;

/** What Cedar said, made safe: an answer with any error in it is a deny. */
interface Verdict {
  readonly allowed: boolean;
  /** Satisfied permits of an allow, satisfied forbids of a deny. */
  readonly policies: readonly Annotated[];
  readonly errors: PolicyAnswer['errors'];
}

/** Stands for an approval that nobody has given, to find out whether one would help. */
const HYPOTHETICAL = { id: 'hypothetical', by: [] };
const MAX_MESSAGE_CHARS = 300;

export function makeDecide(input: ParseInput, annotations: Annotations, slots: Slots) {
  const ask = (request: PolicyRequest): Verdict => {
    try {
      const name = slots.nameFor(input);
      const set = { preparsedPolicySetId: name, preparsedSchemaName: name, validateRequest: true };
      return toVerdict(cedar.statefulIsAuthorized({ ...toCedar(request), ...set }), annotations);
    } catch (error) {
      return failed('', error instanceof Error ? error.message : 'unknown error');
    }
  };

  return (request: PolicyRequest): PolicyAnswer => {
    const verdict = ask(request);
    if (!wantsApproval(verdict) || request.context.approval) return answer(verdict.allowed ? 'allow' : 'deny', verdict);
    const then = ask({ ...request, context: { ...request.context, approval: HYPOTHETICAL } });
    // What decides even then is said; what would only be asked of an approver is not worth asking.
    if (!then.allowed) return answer('deny', { ...then, policies: verdict.allowed ? then.policies : verdict.policies });
    return answer('approval', verdict, then);
  };
}

/** An allow that some permit gives on approval only, or a deny for want of an approval and for nothing else. */
function wantsApproval({ allowed, policies, errors }: Verdict): boolean {
  if (errors.length > 0 || policies.length === 0) return false;
  return allowed
    ? policies.some((policy) => policy.requiresApproval)
    : policies.every((policy) => policy.requiresApproval);
}

/** A policy that errs is skipped by Cedar, so that an erring forbid would allow: any error at all denies instead. */
function toVerdict(said: AuthorizationAnswer, annotations: Annotations): Verdict {
  if (said.type === 'failure') return failed('', said.errors.map(({ message }) => message).join('; '));
  const { decision, diagnostics } = said.response;
  const errors = diagnostics.errors.map(({ policyId, error }) => ({ policy: policyId, message: cut(error.message) }));
  const policies = diagnostics.reason.flatMap((id) => annotations.get(id) ?? []);
  if (policies.length !== diagnostics.reason.length) return failed('', 'Cedar named a policy that is not of this set');
  if (errors.length === 0) return { allowed: decision === 'allow', policies, errors };
  return { allowed: false, policies: decision === 'deny' ? policies : [], errors };
}

const failed = (policy: string, message: string): Verdict => ({
  allowed: false,
  policies: [],
  errors: [{ policy, message: cut(message) }],
});

const cut = (message: string) =>
  message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}...` : message;

function answer(outcome: PolicyAnswer['outcome'], verdict: Verdict, then: Verdict = verdict): PolicyAnswer {
  const maxTtl = outcome === 'deny' ? undefined : smallestTtl(then.policies);
  return {
    outcome,
    policies: verdict.policies.map(({ id }) => id).sort(),
    ...(outcome === 'approval' ? { approval: { role: 'approver', count: 1 } } : {}),
    ...(maxTtl && { maxTtl }),
    controls: [...new Set(verdict.policies.flatMap(({ controls }) => controls))].sort(),
    errors: verdict.errors,
  };
}

/** An allow names every satisfied permit, and each may cap the life: adding a permit can shorten it. */
function smallestTtl(permits: readonly Annotated[]): PolicyAnswer['maxTtl'] {
  let least: PolicyAnswer['maxTtl'];
  for (const { id, maxTtl } of permits) {
    if (maxTtl === undefined) continue;
    if (!least || maxTtl < least.seconds || (maxTtl === least.seconds && id < least.policy)) {
      least = { policy: id, seconds: maxTtl };
    }
  }
  return least;
}
