import { createHash } from 'node:crypto';
import type { TaskId } from '../../src/domain/ids.ts';
import type { CallRecord } from '../../src/ledger/index.ts';
import { ids, SHAPE } from './world.ts';
import type { World } from './world.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A call that the rules allowed, as it is recorded. */
export function callOf(change: Partial<CallRecord> = {}): CallRecord {
  return {
    id: ids.decision(),
    trust: SHAPE.trust,
    subject: SHAPE.subject,
    resource: 'refund',
    outcome: 'allow',
    code: null,
    policies: ['agents-call'],
    controls: ['TEST:1'],
    errors: [],
    askedBy: null,
    onBehalfOf: null,
    owner: 'tool-owner',
    environment: 'tool-environment',
    inputs: '{"action":"call"}',
    inputsHash: sha256('{"action":"call"}'),
    mode: 'autonomous',
    task: null,
    grant: null,
    approval: null,
    exception: null,
    argumentsHash: sha256('{"amount":9}'),
    arguments: '{"amount":9}',
    ...change,
  };
}

/** On a task with a budget of calls. */
export const spending = (id: TaskId, root = id): Pick<CallRecord, 'task'> => ({ task: { id, root, budgeted: true } });

/** Records calls; answers why not, for each. */
export async function recordCalls(world: World, calls: readonly CallRecord[]): Promise<(string | null)[]> {
  const batch = {
    generation: world.generation(),
    rulesHash: 'a'.repeat(64),
    origin: '192.0.2.1',
    untilDeny: false,
    calls,
  };
  return (await world.ledger.calls.record(batch)).map(({ code }) => code);
}

export const reportOutcome = (world: World, decision: CallRecord['id'], detail = 'as it should') =>
  world.ledger.calls.reportOutcome({
    decision,
    status: 'succeeded',
    detail,
    happened_at: '2026-11-25T10:00:00Z',
    actor: { kind: 'workload', trust: SHAPE.trust, id: SHAPE.subject },
    origin: null,
  });
