import type { Actor, OperatorRole, Reach } from '../domain/identity.ts';
import type { ApprovalId, DecisionId, GrantId } from '../domain/ids.ts';
import type { Prisma } from '../generated/client.ts';
import { behind } from './behind.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer, ApprovalRequest } from './issuing.ts';
import { withinReach } from './reach.ts';

/** What was asked of a person, what was answered so far, and who was told. */
export type ApprovalRow = Prisma.ApprovalGetPayload<{ include: { answers: true; notices: true } }>;

export const APPROVAL_STATES = ['pending', 'approved', 'denied', 'lapsed', 'consumed'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

export interface ApprovalFilter {
  readonly state?: ApprovalState | undefined;
  readonly kind?: ApprovalRequest['kind'] | undefined;
  readonly owner?: string | undefined;
  readonly environment?: string | undefined;
  /** What a limited role reaches; absent: everything. */
  readonly within?: readonly Reach[] | undefined;
}

/** A denied call that is put before a person. */
export interface CallApproval {
  readonly decision: DecisionId;
  /** Under which it is on record that it could not be put there. */
  readonly refusal: DecisionId;
  readonly trust: string;
  readonly subject: string;
  readonly owner: string;
  readonly environment: string;
  readonly approval: ApprovalRequest;
  readonly origin: string | null;
}

const include = { answers: { orderBy: { at: 'asc' } }, notices: { orderBy: { target: 'asc' } } } as const;

export function makeApprovals(connection: Connection) {
  return {
    find: (id: ApprovalId): Promise<ApprovalRow | null> =>
      connection.prisma((client) => client.approval.findUnique({ where: { id }, include })),

    /** The one that the grant itself waits for, or waited for. */
    ofGrant: (grant: GrantId): Promise<ApprovalRow | null> =>
      connection.prisma((client) => client.approval.findFirst({ where: { grantId: grant, kind: 'issue' }, include })),

    /** Newest first, from behind the approval `after`. */
    list: (filter: ApprovalFilter, limit: number, after?: string): Promise<ApprovalRow[]> =>
      connection.prisma(async (client) =>
        behind(after, limit, (page) =>
          client.approval.findMany({
            where: {
              ...(filter.state ? { state: filter.state } : {}),
              ...(filter.kind ? { kind: filter.kind } : {}),
              ...(filter.owner ? { owner: filter.owner } : {}),
              ...(filter.environment ? { environment: filter.environment } : {}),
              ...(filter.within ? { AND: [withinReach(filter.within)] } : {}),
            },
            include,
            orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
            ...page,
          }),
        ),
      ),

    /** Of these, the ones that nobody waits for an answer to any more. */
    async settled(ids: readonly ApprovalId[]): Promise<ApprovalId[]> {
      const sql = `select id from approvals where id = any($1) and (state <> 'pending' or expires_at <= clock_timestamp())`;
      const rows = await connection.call<{ id: ApprovalId }>('settled_approvals', sql, [[...ids]]);
      return rows.map(({ id }) => id);
    },

    /** How many wait for an answer. */
    async waiting(): Promise<number> {
      const sql = `select count(*)::integer as n from approvals where state = 'pending'`;
      const rows = await connection.call<{ n: number }>('waiting_approvals', sql, []);
      return rows[0]?.n ?? 0;
    },

    /**
     * Puts a denied call before a person, once for each decision: asked again, it answers the approval that is there.
     * @throws Refusal `not_found` (no such decision of this workload), `too_many_approvals`; `under_order`, `task_ended`, which are on record.
     */
    async requestCall(asking: CallApproval): Promise<ApprovalId> {
      return admit(await connection.transition<Answer & { id: ApprovalId }>('request_call_approval', asking)).id;
    },

    /** @throws Refusal `not_found`, `approval_closed`, `own_request`, `already_answered`, `role_missing`, `role_limited`; each but the first on record. */
    async answer(answering: {
      readonly approval: ApprovalId;
      readonly answer: 'approve' | 'deny';
      readonly reason: string;
      /** Those that this person has for the owner and environment that it is about. */
      readonly roles: readonly OperatorRole[];
      /** Those that this person has, and that do not reach it. */
      readonly limited: readonly OperatorRole[];
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<ApprovalState> {
      type Answered = Answer & { state: ApprovalState };
      return admit(await connection.transition<Answered>('answer_approval', answering)).state;
    },

    /** What the reaper does with those whose time has passed. Answers how many. */
    async lapse(batch: number): Promise<number> {
      const sql = 'select lapse_approvals($1) as lapsed';
      const rows = await connection.call<{ lapsed: number }>('lapse_approvals', sql, [batch]);
      return rows[0]?.lapsed ?? 0;
    },
  };
}
