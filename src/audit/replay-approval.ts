import type { Json } from '../domain/json.ts';
import { isJsonObject } from '../domain/json.ts';
import { textOrNull } from './event.ts';
import type { Event } from './event.ts';
import { differences } from './row.ts';
import type { Expected } from './row.ts';

/** What its events say of an approval: the row, and the answers that people gave. */
export interface ReplayedApproval {
  readonly columns: Record<string, Json>;
  readonly near: Record<string, string | null>;
  readonly answers: {
    issuer: string | null;
    subject: string | null;
    answer: string | null;
    reason: string | null;
    roles: Json;
  }[];
  /** Who was to be told, and what came of it; undefined where the event of an older version does not say. */
  readonly notices: Map<string, ReplayedNotice> | undefined;
  readonly asked: readonly Json[];
}

export interface ReplayedNotice {
  readonly state: 'sent' | 'dead';
  readonly attempts: Json;
  readonly last_error: Json;
}

/** Approvals are given by people: few enough to be kept until the end. */
export function makeApprovals() {
  const approvals = new Map<string, ReplayedApproval>();
  const ofGrant = new Map<string, ReplayedApproval>();

  function close(approval: ReplayedApproval | undefined, state: string, at: string): void {
    if (!approval) return;
    approval.columns['state'] = state;
    approval.near['closed_at'] = at;
  }

  return {
    all: (): ReadonlyMap<string, ReplayedApproval> => approvals,

    /** Events that are of no approval pass by. */
    take(event: Event): void {
      const id = textOrNull(event.facts['approval']);
      const approval = id === null ? undefined : approvals.get(id);
      switch (event.type) {
        case 'approval.requested': {
          if (id === null) return;
          const begun = begin(event);
          approvals.set(id, begun);
          if (event.grant !== null) ofGrant.set(event.grant, begun);
          return;
        }
        case 'approval.answered':
          if (approval && event.body['success'] === true) answer(approval, event);
          return;
        case 'approval.consumed':
          close(approval, 'consumed', event.at);
          if (approval) approval.near['consumed_at'] = event.at;
          return;
        case 'approval.told':
          note(approval, event, 'sent');
          return;
        case 'approval.untold':
          note(approval, event, 'dead');
          return;
        case 'approval.lapsed':
          close(approval, 'lapsed', event.at);
          return;
        case 'grant.refused': {
          // refused by an order or the end of its task: what was asked lapses with it
          const asked = event.grant === null ? undefined : ofGrant.get(event.grant);
          if (asked?.columns['state'] === 'pending' || asked?.columns['state'] === 'approved')
            close(asked, 'lapsed', event.at);
          return;
        }
        default:
      }
    },
  };
}

export function expectedApproval({ columns, near }: ReplayedApproval): Expected {
  return { columns, near };
}

function begin({ body, facts, task, grant, at }: Event): ReplayedApproval {
  const workload = isJsonObject(body['workload']) ? body['workload'] : {};
  return {
    columns: {
      state: 'pending',
      kind: facts['kind'] ?? null,
      asked_hash: facts['asked_hash'] ?? null,
      needs: facts['needs'] ?? null,
      resource: facts['resource'] ?? null,
      expires_at: facts['expires_at'] ?? null,
      trust: workload['trust'] ?? null,
      subject: workload['id'] ?? null,
      on_behalf_of: body['principal'] ?? null,
      task_id: task,
      grant_id: grant,
      decision_id: body['decision'] ?? null,
      // events of older versions do not say these
      ...(facts['chain'] === undefined ? {} : { chain: facts['chain'], asked_by: facts['asked_by'] ?? null }),
      ...(facts['owner'] === undefined ? {} : { owner: facts['owner'], environment: facts['environment'] ?? null }),
    },
    near: { created_at: at, consumed_at: null, closed_at: null },
    answers: [],
    notices: Array.isArray(facts['notify']) ? new Map() : undefined,
    asked: Array.isArray(facts['notify']) ? (facts['notify'] as readonly Json[]) : [],
  };
}

function note(approval: ReplayedApproval | undefined, { facts }: Event, state: 'sent' | 'dead'): void {
  const target = textOrNull(facts['target']);
  if (target === null) return;
  approval?.notices?.set(target, { state, attempts: facts['attempts'] ?? null, last_error: facts['error'] ?? null });
}

/** Where its notices differ from what its events say of them. What is under way, or was not needed any more, has none. */
export function noticeDifferences({ asked, notices, columns }: ReplayedApproval, rows: Json): string[] {
  if (!notices) return [];
  const found: string[] = [];
  const left = new Set(asked.map(String));
  for (const row of Array.isArray(rows) ? (rows as readonly Json[]) : []) {
    if (!isJsonObject(row)) continue;
    const target = textOrNull(row['target']) ?? '';
    const state = textOrNull(row['state']) ?? '';
    if (!left.delete(target)) found.push(`notice ${target} has a row and no event`);
    const told = notices.get(target);
    const open = columns['state'] === 'pending' ? ['pending'] : ['pending', 'void'];
    if (!told && !open.includes(state))
      found.push(`notice ${target} is ${state} and its events say ${open.join(' or ')}`);
    if (told)
      found.push(...differences(row, { columns: { ...told }, near: {} }).map((line) => `notice ${target}: ${line}`));
  }
  for (const target of left) found.push(`notice ${target} has an event and no row`);
  return found;
}

function answer(approval: ReplayedApproval, { body, facts, at }: Event): void {
  const actor = isJsonObject(body['actor']) ? body['actor'] : {};
  approval.answers.push({
    issuer: textOrNull(actor['issuer']),
    subject: textOrNull(actor['subject']),
    answer: textOrNull(facts['answer']),
    reason: textOrNull(facts['reason']),
    // until there were roles, everybody answered in this one
    roles: facts['roles'] ?? ['approver'],
  });
  approval.columns['state'] = facts['state'] ?? null;
  if (facts['state'] === 'denied') approval.near['closed_at'] = at;
}
