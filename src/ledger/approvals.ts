import type { Actor } from '../domain/identity.ts';
import type { ApprovalId, GrantId } from '../domain/ids.ts';
import type { Prisma } from '../generated/client.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';

/** What was asked of a person, and what was answered so far. */
export type ApprovalRow = Prisma.ApprovalGetPayload<{ include: { answers: true } }>;

export type ApprovalState = 'pending' | 'approved' | 'denied' | 'lapsed' | 'consumed';

const include = { answers: { orderBy: { at: 'asc' } } } as const;

export function makeApprovals(connection: Connection) {
  return {
    find: (id: ApprovalId): Promise<ApprovalRow | null> =>
      connection.prisma((client) => client.approval.findUnique({ where: { id }, include })),

    ofGrant: (grant: GrantId): Promise<ApprovalRow | null> =>
      connection.prisma((client) => client.approval.findFirst({ where: { grantId: grant }, include })),

    /** @throws Refusal `not_found`, `approval_closed`, `own_request`, `already_answered`; each but the first on record. */
    async answer(answering: {
      readonly approval: ApprovalId;
      readonly answer: 'approve' | 'deny';
      readonly reason: string;
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
