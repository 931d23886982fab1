import { APPROVING_ROLES, ONE_APPROVER } from '../domain/approval.ts';
import type { ApprovalNeeds, ApprovingRole } from '../domain/approval.ts';

const MOST = 9;
const NEED = new RegExp(`^([1-${MOST}]) of (${APPROVING_ROLES.join('|')})$`);

/** How `@requires` is written; for the message of whoever got it wrong. */
export const REQUIRES_FORM = `"approval", or such as "approval: 2 of security" or "approval: 1 of security and 1 of platform", of the roles ${APPROVING_ROLES.join(', ')}`;

/**
 * The value of `@requires`: `approval`, which is one approver; or `approval: N of ROLE`, and more of these behind `and`, each
 * role once. Undefined when it is anything else.
 */
export function parseRequires(text: string): ApprovalNeeds | undefined {
  if (text === 'approval') return ONE_APPROVER;
  const [word, list, ...rest] = text.split(': ');
  if (word !== 'approval' || list === undefined || rest.length > 0) return undefined;
  const needs = list.split(' and ').map((part) => NEED.exec(part));
  const found = needs.flatMap((match) => (match ? [{ role: match[2] as ApprovingRole, count: Number(match[1]) }] : []));
  const roles = new Set(found.map(({ role }) => role));
  if (found.length !== needs.length || roles.size !== found.length) return undefined;
  return found.sort((a, b) => (a.role < b.role ? -1 : 1));
}
