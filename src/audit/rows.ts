import type { Event } from './event.ts';
import { STATEMENTS_OF_OPERATORS } from './rows-of-operators.ts';
import { STATEMENTS_OF_WORKLOADS } from './rows-of-workloads.ts';
import type { Statement, TableName } from './statement.ts';

/** Of a step that a row keeps: how many rows must say that it was taken, by whichever of its columns, and when. */
export const STEPS_OF_ROWS: Readonly<
  Record<string, { readonly table: TableName; readonly taken: string; readonly at: string }>
> = {
  'task.ended': {
    table: 'tasks',
    taken: `(state = 'ended' or ended_at is not null or ended_why is not null)`,
    at: 'ended_at',
  },
  'order.swept': { table: 'orders', taken: 'swept_at is not null', at: 'swept_at' },
  'order.lift_requested': {
    table: 'orders',
    taken: '(lift_requested_at is not null or lift_requested_by is not null)',
    at: 'lift_requested_at',
  },
  'order.lifted': {
    table: 'orders',
    // a reason stands there from the first of two people on
    taken: `(lifted_at is not null or lifted_by is not null
      or lift_reason is not null and lift_requested_at is null and lift_requested_by is null)`,
    at: 'lifted_at',
  },
  'exception.approved': {
    table: 'exceptions',
    taken: `(state in ('approved', 'ended')
      or state <> 'denied' and (answered_at is not null or answered_by is not null or answer_reason is not null))`,
    at: 'answered_at',
  },
  'exception.denied': { table: 'exceptions', taken: `state = 'denied'`, at: 'answered_at' },
  'exception.ended': {
    table: 'exceptions',
    taken: `(state = 'ended' or ended_at is not null or ended_by is not null or end_reason is not null)`,
    at: 'ended_at',
  },
  'exception.reviewed': {
    table: 'exceptions',
    taken: '(reviewed_at is not null or reviewed_by is not null or review_note is not null)',
    at: 'reviewed_at',
  },
  'hold.lifted': {
    table: 'legal_holds',
    taken: '(lifted_at is not null or lifted_by is not null or lift_reason is not null)',
    at: 'lifted_at',
  },
  'key.wiped': { table: 'signing_keys', taken: 'wiped_at is not null', at: 'wiped_at' },
};

const STATEMENTS: Readonly<Record<string, (event: Event) => Statement | undefined>> = {
  ...STATEMENTS_OF_WORKLOADS,
  ...STATEMENTS_OF_OPERATORS,
};

/** Undefined for events that no row of these tables answers to. */
export function statementOf(event: Event): Statement | undefined {
  return STATEMENTS[event.type]?.(event);
}
