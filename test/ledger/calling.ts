import { createHash } from 'node:crypto';
import type { TaskId } from '../../src/domain/ids.ts';
import type { CallRecord } from '../../src/ledger/index.ts';
import { ids, SHAPE } from './world.ts';
import type { World } from './world.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A call as the rules decided it: allowed, and hanging off nothing, unless told otherwise. */
export function call(change: Partial<CallRecord> = {}): CallRecord {
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
    argumentsHash: sha256('{}'),
    arguments: null,
    ...change,
  };
}

export const onTask = (id: TaskId, budgeted = false, root = id) => ({ id, root, budgeted });

/** Decides them against the live state, and records them. Answers why not, for each that was recorded. */
export async function record(world: World, calls: readonly CallRecord[], untilDeny = false) {
  const batch = { generation: world.generation(), rulesHash: 'a'.repeat(64), origin: '192.0.2.1', untilDeny, calls };
  return (await world.ledger.calls.record(batch)).map(({ code }) => code);
}
