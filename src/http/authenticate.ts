import { Refusal } from '../domain/errors.ts';
import type { RefusalCode } from '../domain/errors.ts';
import type { Buckets } from '../domain/bucket.ts';
import type { Identity, Operator, OperatorRole } from '../domain/identity.ts';
import type { Context, Principal, Res, Step } from './context.ts';
import { operatorOf, workloadOf } from './context.ts';
import { sourceOf } from './source.ts';

export interface Authentication {
  readonly attest: (token: string) => Promise<Identity>;
  readonly authenticateOperator: (token: string) => Promise<Operator>;
  /** Refusals of a source; asked before any signature is checked. */
  readonly refusals: Buckets;
  /** Requests of a workload. */
  readonly requests: Buckets;
  readonly nowMs: () => number;
  /** Told of each refusal by its code. */
  readonly onRefusal: (code: string) => void;
}

const BEARER = /^Bearer ([^\s]+)$/i;

/**
 * Steps that find out who asks. Evidence is tried as what the route expects first; whoever verifies as the other kind gets a 403 from
 * the route, and 401 is for what nothing verifies.
 */
export function makeAuthenticate(parts: Authentication) {
  const workload = async (token: string): Promise<Principal> => ({
    kind: 'workload',
    identity: await parts.attest(token),
  });
  const operator = async (token: string): Promise<Principal> => ({
    kind: 'operator',
    operator: await parts.authenticateOperator(token),
  });

  async function identify(first: typeof workload, second: typeof workload, token: string): Promise<Principal> {
    try {
      return await first(token);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return second(token).catch((other: unknown) => {
        throw moreTelling(error, other);
      });
    }
  }

  const step =
    (first: typeof workload, second: typeof workload): Step =>
    async (req, res, next) => {
      const source = sourceOf(res.locals.origin ?? 'unknown');
      const now = parts.nowMs();
      if (!parts.refusals.has(source, now)) {
        parts.onRefusal('too_many_refusals');
        throw new Refusal('too_many_refusals');
      }
      res.locals.countRefused = parts.onRefusal;
      try {
        const token = BEARER.exec(req.headers.authorization ?? '')?.[1];
        if (token === undefined) throw new Refusal('evidence_missing');
        res.locals.principal = await identify(first, second, token);
      } catch (error) {
        if (error instanceof Refusal) {
          parts.refusals.take(source, now);
          parts.onRefusal(error.code);
        }
        throw error;
      }
      limitWorkload(res.locals, now);
      next();
    };

  function limitWorkload({ principal }: Context, now: number): void {
    if (principal?.kind !== 'workload') return;
    const { trust, id } = principal.identity;
    if (!parts.requests.take(`${trust}\n${id}`, now)) throw new Refusal('too_many_requests');
  }

  return { asWorkload: step(workload, operator), asOperator: step(operator, workload) };
}

/** Of two that did not accept a token: whose it is says why, and a source of keys that is away might have accepted it. */
function moreTelling(first: Refusal, second: unknown): unknown {
  return first.code === 'evidence_untrusted' || !(second instanceof Refusal) ? second : first;
}

/**
 * Looks at evidence that is shown beside who asks: a task's token, a principal's, an actor's. One that does not hold is counted as that of a
 * caller is, and not held against the source: whoever hands a workload or an enforcement point something to pass on could lock it out.
 * @param counts - which refusals are of the evidence; a token that holds, of a task that is over, is none.
 */
export async function counting<T>(
  { locals }: Res,
  look: () => Promise<T>,
  counts = (code: RefusalCode) => code !== 'task_ended',
): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Refusal && counts(error.code)) locals.countRefused?.(error.code);
    throw error;
  }
}

/** Lets workloads pass. @throws Refusal `not_a_workload`. */
export const workloads: Step = (_req, res, next) => {
  workloadOf(res);
  next();
};

/** Lets pass whoever has one of the roles. @throws Refusal `not_an_operator`, `role_missing`. */
export function roles(...allowed: readonly OperatorRole[]): Step {
  return (_req, res, next) => {
    const { operator } = operatorOf(res);
    if (!operator.roles.some((role) => allowed.includes(role)))
      throw new Refusal('role_missing', { roles: [...allowed] });
    next();
  };
}

/** Lets workloads pass, and operators with one of the roles. @throws Refusal `role_missing`. */
export function workloadsOr(...allowed: readonly OperatorRole[]): Step {
  const asRole = roles(...allowed);
  return (req, res, next) => (res.locals.principal?.kind === 'workload' ? next() : asRole(req, res, next));
}
