import { APPROVING_ROLES, readNeeds } from '../domain/approval.ts';
import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import type { ApprovalId, GrantId } from '../domain/ids.ts';
import { mayActOn, reachOf } from '../domain/may-act.ts';
import type { ApprovalFilter, ApprovalRow } from '../ledger/index.ts';
import type { Caller, ExchangeContext, OperatorCaller } from './context.ts';
import { actorOf } from './orders.ts';
import { ownGrant } from './renew.ts';
import type { Waiting } from './waiting.ts';

/** How long a caller waits for an answer, and until when it is worth it. */
export interface Patience {
  readonly seconds: number;
  readonly gone: AbortSignal;
}

const FOR_WANT_OF_ROLES: ReadonlySet<string> = new Set(['role_missing', 'role_limited']);

/** What operators see of approvals, and their answers; and how a workload waits for one. */
export function makeApprovals({ ledger }: Pick<ExchangeContext, 'ledger'>, waiting: Waiting) {
  /** What a limited role does not reach is not there for whoever has it. */
  async function show({ operator }: OperatorCaller, id: ApprovalId): Promise<ApprovalRow> {
    const row = await ledger.approvals.find(id);
    if (!row || !OPERATOR_ROLES.some((role) => mayActOn(operator, role, row))) throw new Refusal('not_found');
    return row;
  }

  return {
    show,

    list: ({ operator }: OperatorCaller, filter: ApprovalFilter, limit: number, after?: string) =>
      ledger.approvals.list({ ...filter, within: reachOf(operator, OPERATOR_ROLES) }, limit, after),

    /** @throws Refusal `not_found`, `approval_closed`, `own_request`, `already_answered`, `role_missing`, `role_limited`. */
    async answer(
      caller: OperatorCaller,
      id: ApprovalId,
      answer: 'approve' | 'deny',
      reason: string,
    ): Promise<ApprovalRow> {
      const row = await show(caller, id);
      const held = APPROVING_ROLES.filter((role) => caller.operator.roles.includes(role));
      const roles = held.filter((role) => mayActOn(caller.operator, role, row));
      const limited = held.filter((role) => !roles.includes(role));
      const said = { approval: id, answer, reason, roles, limited, actor: actorOf(caller), origin: caller.origin };
      await ledger.approvals.answer(said).catch((error: unknown) => {
        if (!(error instanceof Refusal) || !FOR_WANT_OF_ROLES.has(error.code)) throw error;
        const wanted = readNeeds(row.needs).map(({ role }) => role);
        if (error.code === 'role_missing') throw new Refusal('role_missing', { roles: wanted });
        throw new Refusal('role_limited', { role: limited.find((role) => wanted.includes(role)) ?? null });
      });
      return show(caller, id);
    },

    /** What the caller's own grant waits for, or waited for; once it is answered, or when its patience is over. @throws Refusal `not_found`. */
    async ofGrant(caller: Caller, grant: GrantId, { seconds, gone }: Patience): Promise<ApprovalRow> {
      await ownGrant({ ledger }, caller, grant);
      const row = await ledger.approvals.ofGrant(grant);
      if (!row) throw new Refusal('not_found');
      if (row.state !== 'pending') return row;
      const { trust, id } = caller.identity;
      await waiting.wait(row.id as ApprovalId, `${trust}\n${id}`, seconds, gone);
      return (await ledger.approvals.ofGrant(grant)) ?? row;
    },
  };
}
