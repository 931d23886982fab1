import { APPROVALS } from './approvals.ts';
import { CALLS } from './calls.ts';
import { DECISIONS_AND_TASKS } from './decisions-and-tasks.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { GRANTS } from './grants.ts';
import { MINTS } from './mints.ts';
import { ORDERS } from './orders.ts';
import { RULES_KEYS_EVIDENCE } from './rules-keys-evidence.ts';
import type { EventGroup, EventType } from './event-type.ts';

/**
 * Every type of event that Writ writes, once. docs/events.md is made from this (`npm run docs`), and a test holds it against the
 * migrations, which are what writes. Adding a type means adding it here.
 */
export const EVENT_GROUPS: readonly EventGroup[] = [
  DECISIONS_AND_TASKS,
  GRANTS,
  MINTS,
  APPROVALS,
  EXCEPTIONS,
  CALLS,
  ORDERS,
  RULES_KEYS_EVIDENCE,
];

export const EVENT_TYPES: readonly EventType[] = EVENT_GROUPS.flatMap(({ types }) => types);
