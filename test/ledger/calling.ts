import { createHash } from 'node:crypto';
import type { CallRecord } from '../../src/ledger/index.ts';
import { ids, SHAPE } from './world.ts';
import type { World } from './world.ts';

export const HASH = createHash('sha256').update('{}').digest('hex');

/** A decision on a call, of the usual workload's, which is allowed. */
export function callRecord(change: Partial<CallRecord> = {}): CallRecord {
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
    inputsHash: createHash('sha256').update('{"action":"call"}').digest('hex'),
    mode: 'autonomous',
    task: null,
    grant: null,
    approval: null,
    exception: null,
    argumentsHash: HASH,
    arguments: null,
    ...change,
  };
}

/** The codes, null for what was allowed. */
export async function recordCalls(
  world: World,
  calls: readonly CallRecord[],
  untilDeny = false,
): Promise<readonly (string | null)[]> {
  const batch = { generation: world.generation(), rulesHash: 'a'.repeat(64), origin: '192.0.2.1', untilDeny, calls };
  return (await world.ledger.calls.record(batch)).map(({ code }) => code);
}
