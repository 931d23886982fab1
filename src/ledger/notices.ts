import type { ApprovalNeeds } from '../domain/approval.ts';
import type { ApprovalId, GrantId, TaskId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Connection } from './connection.ts';

export const NOTICE_STATES = ['pending', 'sent', 'dead', 'void'] as const;
export type NoticeState = (typeof NOTICE_STATES)[number];

/** That an approval is wanted, to be told through one channel; this process's alone for the length of its lease. */
export interface Notice {
  readonly approval: ApprovalId;
  readonly target: string;
  readonly attempts: number;
  readonly kind: 'issue' | 'call';
  readonly trust: string;
  readonly subject: string;
  readonly on_behalf_of: string | null;
  readonly task: TaskId | null;
  readonly grant: GrantId | null;
  readonly resource: string;
  readonly owner: string;
  readonly environment: string;
  readonly asked: JsonObject;
  readonly asked_hash: string;
  readonly needs: ApprovalNeeds;
  readonly created_at: string;
  readonly expires_at: string;
}

/** The outbox of approvals: written with the request, delivered by whichever process comes first. */
export function makeNotices(connection: Connection) {
  return {
    async claim(by: {
      readonly targets: readonly string[];
      readonly owner: string;
      readonly limit: number;
      readonly lease_seconds: number;
    }): Promise<Notice[]> {
      const sql = 'select claim_notices($1) as notice';
      const rows = await connection.call<{ notice: Notice }>('claim_notices', sql, [JSON.stringify(by)]);
      return rows.map(({ notice }) => notice);
    },

    /** What came of it; undefined when the claim was lost to somebody else. */
    async settle(settling: {
      readonly approval: ApprovalId;
      readonly target: string;
      readonly owner: string;
      /** Null: the receiver has it. */
      readonly error: string | null;
      readonly delay_seconds: number;
      readonly dead_after: number;
    }): Promise<NoticeState | undefined> {
      return (await connection.transition<NoticeState | null>('settle_notice', settling)) ?? undefined;
    },

    /** How many are to be delivered, and how many never were, of approvals that are still waited for. */
    async counts(): Promise<Readonly<Record<'pending' | 'dead', number>>> {
      const sql = `select count(*) filter (where n.state = 'pending')::integer as pending, count(*) filter (where n.state = 'dead')::integer as dead
        from approvals a join approval_notices n on n.approval_id = a.id where a.state = 'pending'`;
      const rows = await connection.call<{ pending: number; dead: number }>('notice_counts', sql, []);
      return rows[0] ?? { pending: 0, dead: 0 };
    },
  };
}
