import { APPROVALS } from './approvals.ts';
import { CALLS } from './calls.ts';
import { GRANTS } from './grants.ts';
import { OAUTH } from './oauth.ts';
import { ORDERS } from './orders.ts';
import { PROCESS } from './process.ts';
import { RECORD } from './record.ts';
import { RULES } from './rules.ts';
import { TASKS } from './tasks.ts';
import type { Operation } from './operation.ts';

/** Every route, once. A test holds this list against the routers. */
export const OPERATIONS: readonly Operation[] = [
  ...GRANTS,
  ...TASKS,
  ...ORDERS,
  ...APPROVALS,
  ...RULES,
  ...RECORD,
  ...CALLS,
  ...OAUTH,
  ...PROCESS,
];
