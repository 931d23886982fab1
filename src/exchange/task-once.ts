import { Refusal } from '../domain/errors.ts';
import type { DecisionId } from '../domain/ids.ts';
import { toTask } from '../ledger/index.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Idempotency } from './issue.ts';
import { found } from './tasks.ts';
import type { NewTask, OpenedTask, TaskParts } from './tasks.ts';

/**
 * Makes a task under an idempotency key: a repeat gets the task that is there, with a token anew, as long as it counts. A token gives nothing by
 * itself, so nothing has to be ended first. @throws Refusal `idempotency_key_reused` for another request.
 */
export function makeCreateTaskOnce(
  context: ExchangeContext,
  { tokens }: TaskParts,
  create: (caller: Caller, wanted: NewTask) => Promise<OpenedTask>,
) {
  const { ledger, clock } = context;

  async function earlier({ identity }: Caller, { key, requestHash }: Idempotency): Promise<OpenedTask | undefined> {
    const before = await ledger.tasks.repeated(identity.trust, identity.id, key);
    if (!before) return undefined;
    const { task_id: id, request_hash: hash } = before;
    if (hash !== requestHash || id === null) throw new Refusal('idempotency_key_reused');
    if (!before.open) return undefined;
    if (!(await ledger.tasks.isActive(id))) throw new Refusal('under_order');
    const row = await found(context, id);
    const decision = await ledger.calls.findDecision(row.decisionId as DecisionId);
    if (!decision || !row.endsAt) throw new Refusal('not_found');
    const token = await tokens.sign({ ...toTask(row), endsAt: row.endsAt }, clock.now());
    const { generation, policies } = decision;
    return { row, token, decision: { id: decision.id as DecisionId, generation: Number(generation), policies } };
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
