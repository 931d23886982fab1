import { Refusal } from '../domain/errors.ts';
import type { Operator, OperatorRole } from '../domain/identity.ts';
import { mayActOn } from '../domain/may-act.ts';
import type { About } from '../domain/may-act.ts';
import type { Selector } from '../domain/selector.ts';
import type { Step } from './context.ts';
import { operatorOf } from './context.ts';

/**
 * Lets pass whoever has one of the roles without limits: for what belongs to everybody (the record, the rules), of which a role with
 * limits reaches nothing. @throws Refusal `not_an_operator`, `role_missing`, `role_limited`.
 */
export function unlimited(...allowed: readonly OperatorRole[]): Step {
  return (_req, res, next) => {
    const { operator } = operatorOf(res);
    const held = operator.roles.filter((role) => allowed.includes(role));
    const [role] = held;
    if (role === undefined) throw new Refusal('role_missing', { roles: [...allowed] });
    if (!held.some((each) => mayActOn(operator, each, {}))) throw new Refusal('role_limited', { role });
    next();
  };
}

/**
 * Limits of roles (domain/may-act.ts) on a route whose roles were let by `roles`. What none of somebody's roles reaches is
 * not there for them; what another one shows is refused by name.
 */
export function seenBy(operator: Operator, seeing: readonly OperatorRole[], about: readonly About[]): boolean {
  return seeing.some((role) => about.every((each) => mayActOn(operator, role, each)));
}

/** @throws Refusal `not_found`, `role_limited`. */
export function mustReach(
  operator: Operator,
  role: OperatorRole,
  seeing: readonly OperatorRole[],
  about: readonly About[],
): void {
  if (!seenBy(operator, seeing, about)) throw new Refusal('not_found');
  if (!about.every((each) => mayActOn(operator, role, each))) throw new Refusal('role_limited', { role });
}

/** What an order can touch at most: of most selectors, something of any owner in any environment. */
export function aboutSelector({ kind, value }: Selector): About {
  if (kind === 'owner') return { owner: value };
  return kind === 'environment' ? { environment: value } : {};
}
