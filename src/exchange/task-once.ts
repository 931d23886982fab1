import { Refusal } from '../domain/errors.ts';
import type { DecisionId, OrderId } from '../domain/ids.ts';
import { toTask } from '../ledger/index.ts';
import type { TaskRow } from '../ledger/index.ts';
import { watched } from './after-revocation.ts';
import type { Caller, ExchangeContext } from './context.ts';
import { refuseUnasked } from './decide.ts';
import type { Idempotency } from './issue.ts';
import { withRules } from './rules.ts';
import { found } from './tasks.ts';
import type { NewTask, OpenedTask, TaskParts } from './tasks.ts';

/**
 * Makes a task under an idempotency key: a repeat gets the task that is there, with a token anew, as long as it counts. A token gives nothing by
 * itself, so nothing has to be ended first. @throws Refusal `idempotency_key_reused` for another request; `under_order`, on record, where an
 * order covers the task that is there.
 */
export function makeCreateTaskOnce(
  context: ExchangeContext,
  { tokens }: TaskParts,
  create: (caller: Caller, wanted: NewTask) => Promise<OpenedTask>,
) {
  const { ledger, clock } = context;

  async function earlier(caller: Caller, { key, requestHash }: Idempotency): Promise<OpenedTask | undefined> {
    const { trust, id: who } = caller.identity;
    const before = await ledger.tasks.repeated(trust, who, key);
    if (!before) return undefined;
    const { task_id: id, request_hash: hash, open, order } = before;
    if (hash !== requestHash || id === null) throw new Refusal('idempotency_key_reused');
    if (!open) return undefined;
    const row = await found(context, id);
    if (order) await watched(context, 'create_task', caller, { task: id }, () => refuseUnder(order, caller, row));
    const decision = await ledger.calls.findDecision(row.decisionId as DecisionId);
    if (!decision || !row.endsAt) throw new Refusal('not_found');
    const token = await tokens.sign({ ...toTask(row), endsAt: row.endsAt }, clock.now());
    const { generation, policies } = decision;
    return { row, token, decision: { id: decision.id as DecisionId, generation: Number(generation), policies } };
  }

  function refuseUnder(order: OrderId, caller: Caller, row: TaskRow): Promise<never> {
    return withRules(context.rules, (rules) => {
      const about = { action: 'create_task', resource: row.id, code: 'under_order', task: toTask(row) } as const;
      return refuseUnasked(context, rules, caller, about, { order });
    });
  }

  return async function createTaskOnce(caller: Caller, wanted: NewTask): Promise<OpenedTask> {
    const { idempotency } = wanted;
    if (!idempotency) return create(caller, wanted);
    const before = await earlier(caller, idempotency);
    if (before) return before;
    try {
      return await create(caller, wanted);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'request_in_progress') throw error;
      // Its repeat was faster, and has committed.
      const made = await earlier(caller, idempotency);
      if (!made) throw error;
      return made;
    }
  };
}
