import { createHash } from 'node:crypto';
import type { TaskId } from '../../src/domain/ids.ts';
import { Refusal } from '../../src/domain/errors.ts';
import type { RefusalCode } from '../../src/domain/errors.ts';
import type { CallRecord, DecisionRecord } from '../../src/ledger/index.ts';
import type { CallApproval } from '../../src/ledger/approvals.ts';
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

/** One alone. @throws Refusal with its code, where it is not allowed. */
export async function recordOne(world: World, call: CallRecord): Promise<void> {
  const [code] = await recordCalls(world, [call]);
  if (code !== null) throw new Refusal(code as RefusalCode);
}

/** A decision on a call that an approval would change. */
export async function deniedCall(world: World, change: Partial<DecisionRecord> = {}): Promise<DecisionRecord> {
  const decision = world.decision({ action: 'call', outcome: 'approval', code: 'approval_required', ...change });
  await world.ledger.issuing.recordDecision(decision);
  return decision;
}

/** What puts it before a person. */
export const callApproval = ({
  id,
  trust,
  subject,
}: Pick<DecisionRecord, 'id' | 'trust' | 'subject'>): CallApproval => ({
  ...{
    decision: id,
    refusal: ids.decision(),
    trust,
    subject,
    owner: 'payments',
    environment: 'production',
    origin: null,
  },
  approval: {
    id: ids.approval(),
    kind: 'call',
    asked: { arguments: { amount: 900 } },
    asked_hash: 'exactly',
    needs: [{ role: 'security', count: 1 }],
    chain: [],
    expires_at: new Date(Date.now() + 60_000).toISOString(),
    notify: [],
    max_open: 1_000,
  },
});

export const askAbout = (world: World, decision: Parameters<typeof callApproval>[0]) =>
  world.ledger.approvals.requestCall(callApproval(decision));

/** As `callRecord`, with an argument that is kept. */
export const callOf = (change: Partial<CallRecord> = {}): CallRecord =>
  callRecord({
    argumentsHash: createHash('sha256').update('{"amount":9}').digest('hex'),
    arguments: '{"amount":9}',
    ...change,
  });

/** On a task with a budget of calls. */
export const spending = (id: TaskId, root = id): Pick<CallRecord, 'task'> => ({ task: { id, root, budgeted: true } });

export const reportOutcome = (world: World, decision: CallRecord['id'], detail = 'as it should') =>
  world.ledger.calls.reportOutcome({
    decision,
    status: 'succeeded',
    detail,
    happened_at: '2026-11-25T10:00:00Z',
    actor: { kind: 'workload', trust: SHAPE.trust, id: SHAPE.subject },
    origin: null,
  });
