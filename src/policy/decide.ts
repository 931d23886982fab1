import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs';
import { meets, strictest } from '../domain/approval.ts';
import type { Annotated } from './annotations.ts';
import { toCedar } from './call.ts';
import type { Asked } from './call.ts';
import { namesWithoutLeave } from './named.ts';
import type { GivenApproval, PolicyAnswer, PolicyRequest } from './policy.ts';
import type { Places } from './places.ts';
import type { Sliced, Texts } from './slices.ts';

export type Annotations = ReadonlyMap<string, Annotated>;

/** A set of policies, and the same without the forbids that exceptions may set aside. */
export interface Sets {
  readonly all: Sliced;
  readonly firm: Sliced;
  readonly schema: string;
}

/** Where Cedar keeps schemas, and sets with their slices. */
export interface Parsed {
  readonly schemas: Places<string, string>;
  readonly sets: Places<Sliced, Texts>;
}

/** What Cedar said, made safe: an answer with any error in it is a deny. */
interface Verdict {
  readonly allowed: boolean;
  /** Satisfied permits of an allow, satisfied forbids of a deny. */
  readonly policies: readonly Annotated[];
  /** Forbids that would have stood in the way, and that an exception set aside. */
  readonly aside: readonly Annotated[];
  readonly errors: PolicyAnswer['errors'];
  readonly refused?: 'principal';
}

/** Stands for an approval that nobody has given, to find out whether one would help. */
const HYPOTHETICAL = { id: 'hypothetical', by: [] };
const MAX_MESSAGE_CHARS = 300;

/** Of many requests each is answered as if it were asked by itself. Neither throws. */
export interface Decide {
  one(request: PolicyRequest): PolicyAnswer;
  /** Holds the thread for as long as all of them take. */
  all(requests: readonly PolicyRequest[]): PolicyAnswer[];
}

export function makeDecide({ all, firm, schema }: Sets, annotations: Annotations, places: Parsed): Decide {
  const say = (set: Sliced, asked: Asked | Error): AuthorizationAnswer | Error => {
    if (asked instanceof Error) return asked;
    return caught(() =>
      cedar.statefulIsAuthorized({
        ...asked,
        preparsedPolicySetId: places.sets.nameFor(set, set.about(asked.resource)),
        preparsedSchemaName: places.schemas.nameFor(schema, schema),
        validateRequest: true,
      }),
    );
  };

  const read = (request: PolicyRequest, said: AuthorizationAnswer | Error): Verdict => {
    const verdict = said instanceof Error ? said : caught(() => withLeave(request, toVerdict(said, annotations)));
    return verdict instanceof Error ? failed('', verdict.message) : verdict;
  };

  const ask = (set: Sliced, request: PolicyRequest) => read(request, say(set, inCedar(request)));

  /**
   * A deny names every forbid that applies. Those that the request's exception covers, and that are marked for it, do not
   * count; where none is left the rest of the set decides, which still has every other forbid.
   */
  const judge = (request: PolicyRequest, verdict = ask(all, request)): Verdict => {
    const covered = request.exception?.policies ?? [];
    if (verdict.allowed || verdict.errors.length > 0 || covered.length === 0) return verdict;
    const aside = verdict.policies.filter(({ id, overridable }) => overridable && covered.includes(id));
    if (aside.length === 0) return verdict;
    const standing = verdict.policies.filter((policy) => !aside.includes(policy));
    return standing.length > 0 ? { ...verdict, policies: standing, aside } : { ...ask(firm, request), aside };
  };

  /** @param first - what the whole set makes of it. */
  const decide = (request: PolicyRequest, first?: Verdict): PolicyAnswer => {
    const verdict = judge(request, first);
    if (request.context.approval) return approved(request, request.context.approval.people, verdict);
    if (!wantsApproval(verdict)) return answer(verdict.allowed ? 'allow' : 'deny', verdict);
    const then = judge(asIf(request, HYPOTHETICAL));
    // What decides even then is said; what would only be asked of an approver is not worth asking.
    if (!then.allowed) return answer('deny', { ...then, policies: verdict.allowed ? then.policies : verdict.policies });
    return { ...answer('approval', verdict, then), approval: needsOf(verdict, then) };
  };

  /** An approval that was given under other rules may be too little under these. */
  function approved(request: PolicyRequest, people: GivenApproval['people'], verdict: Verdict): PolicyAnswer {
    if (!verdict.allowed || !people) return answer(verdict.allowed ? 'allow' : 'deny', verdict);
    const without = judge(asIf(request, undefined));
    if (without.errors.length > 0) return answer('deny', without);
    const needs = needsOf(without, verdict);
    if (meets(needs, people)) return answer('allow', verdict);
    return { ...answer('approval', without, verdict), approval: needs };
  }

  return {
    one: (request) => decide(request),
    /**
     * In three rounds, because Cedar leaves nothing of ours in the processor's caches: between two of its answers, what takes microseconds
     * takes ten times as many (a tenth of all that a batch costs).
     */
    all: (requests) =>
      requests
        .map((request) => ({ request, asked: inCedar(request) }))
        .map(({ request, asked }) => ({ request, said: say(all, asked) }))
        .map(({ request, said }) => decide(request, read(request, said))),
  };
}

const inCedar = (request: PolicyRequest) => caught(() => toCedar(request));

function caught<Result>(run: () => Result): Result | Error {
  try {
    return run();
  } catch (error) {
    return error instanceof Error ? error : new Error('unknown error');
  }
}

const needsOf = (...verdicts: readonly Verdict[]) =>
  strictest(verdicts.flatMap(({ policies }) => policies.flatMap(({ requires }) => (requires ? [requires] : []))));

/** The same question with another approval or with none; for each kind by itself, which keeps its type. */
function asIf(request: PolicyRequest, approval: GivenApproval | undefined): PolicyRequest {
  const given = approval ? { approval } : {};
  if (request.action === 'call') {
    const { approval: _, ...context } = request.context;
    return { ...request, context: { ...context, ...given } };
  }
  const { approval: _, ...context } = request.context;
  return { ...request, context: { ...context, ...given } };
}

/** An allow that some permit gives on approval only, or a deny for want of an approval and for nothing else. */
function wantsApproval({ allowed, policies, errors }: Verdict): boolean {
  if (errors.length > 0 || policies.length === 0) return false;
  return allowed ? policies.some(({ requires }) => requires) : policies.every(({ requires }) => requires);
}

/** A policy that errs is skipped by Cedar, so that an erring forbid would allow: any error at all denies instead. */
function toVerdict(said: AuthorizationAnswer, annotations: Annotations): Verdict {
  if (said.type === 'failure') return failed('', said.errors.map(({ message }) => message).join('; '));
  const { decision, diagnostics } = said.response;
  const errors = diagnostics.errors.map(({ policyId, error }) => ({ policy: policyId, message: cut(error.message) }));
  const policies = diagnostics.reason.flatMap((id) => annotations.get(id) ?? []);
  if (policies.length !== diagnostics.reason.length) return failed('', 'Cedar named a policy that is not of this set');
  if (errors.length === 0) return { allowed: decision === 'allow', policies, aside: [], errors };
  return { allowed: false, policies: decision === 'deny' ? policies : [], aside: [], errors };
}

/** Permits that do not let the workload name this principal do not permit this. */
function withLeave(request: PolicyRequest, verdict: Verdict): Verdict {
  if (!verdict.allowed || !namesWithoutLeave(request, verdict.policies)) return verdict;
  return { ...verdict, allowed: false, policies: [], refused: 'principal' };
}

const failed = (policy: string, message: string): Verdict => ({
  allowed: false,
  policies: [],
  aside: [],
  errors: [{ policy, message: cut(message) }],
});

const cut = (message: string) =>
  message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}...` : message;

function answer(outcome: PolicyAnswer['outcome'], verdict: Verdict, then: Verdict = verdict): PolicyAnswer {
  const maxTtl = outcome === 'deny' ? undefined : smallestTtl(then.policies);
  const overridable = verdict.allowed || verdict.errors.length > 0 ? [] : verdict.policies.filter((p) => p.overridable);
  const overridden = outcome === 'deny' ? [] : [...new Set([...verdict.aside, ...then.aside])];
  return {
    outcome,
    policies: idsOf(verdict.policies),
    ...(maxTtl && { maxTtl }),
    ...(outcome === 'deny' && then.refused && { refused: then.refused }),
    ...(overridable.length > 0 && { overridable: idsOf(overridable) }),
    ...(overridden.length > 0 && { overridden: idsOf(overridden) }),
    controls: [...new Set(verdict.policies.flatMap(({ controls }) => controls))].sort(),
    errors: verdict.errors,
  };
}

const idsOf = (policies: readonly Annotated[]) => policies.map(({ id }) => id).sort();

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
