import { callRecord, HASH, recordCalls } from '../calling.ts';
import { inForce } from '../excepting.ts';
import { ids, SECOND_OPERATOR } from '../world.ts';
import type { World } from '../world.ts';
import type { Transition } from './transition.ts';

const GATEWAY = { trust: 'mesh', id: 'gateway' } as const;

/** A call that somebody has approved. */
async function approvedCall(world: World) {
  const denied = callRecord({ outcome: 'approval', code: 'approval_required' });
  await recordCalls(world, [denied]);
  const { trust, subject, id: decision } = denied;
  const approval = {
    id: ids.approval(),
    kind: 'call',
    asked: {},
    asked_hash: HASH,
    needs: [{ role: 'approver', count: 1 }],
    chain: [],
    expires_at: new Date(Date.now() + 60_000).toISOString(),
    notify: [],
    max_open: 1_000,
  } as const;
  const about = { decision, trust, subject, owner: 'payments', environment: 'production', origin: null };
  await world.ledger.approvals.requestCall({ ...about, refusal: ids.decision(), approval });
  await world.answer({ approval: approval.id }, 'approve', SECOND_OPERATOR);
  return { id: approval.id, askedHash: HASH };
}

/** Decisions on calls, and how those went. */
export const CALLS: readonly Transition[] = [
  {
    name: 'record_calls, allowed',
    events: ['call.decided'],
    arrange: async (world) => ({ run: () => recordCalls(world, [callRecord({ arguments: '{"amount":500}' })]) }),
  },
  {
    name: 'record_calls, about somebody else, under a grant',
    events: ['call.decided'],
    arrange: async (world) => {
      const { grant, task: id } = await world.live();
      const call = callRecord({ grant, task: { id, root: id, budgeted: false }, askedBy: GATEWAY });
      return { run: () => recordCalls(world, [call]) };
    },
  },
  {
    name: 'record_calls, denied',
    events: ['call.decided'],
    arrange: async (world) => ({
      run: () => recordCalls(world, [callRecord({ outcome: 'deny', code: 'policy_denied' })]),
    }),
  },
  {
    name: 'record_calls, with an approval',
    events: ['call.decided', 'approval.consumed'],
    arrange: async (world) => {
      const approval = await approvedCall(world);
      return { run: () => recordCalls(world, [callRecord({ approval })]) };
    },
  },
  {
    name: 'record_calls, some of which are not allowed',
    events: ['call.decided', 'call.decided', 'call.decided'],
    arrange: async (world) => {
      const { grant, task } = await world.live();
      await world.revoke({ grant });
      const calls = [
        callRecord(),
        callRecord({ grant, task: { id: task, root: task, budgeted: false } }),
        callRecord({ outcome: 'deny', code: 'policy_denied' }),
      ];
      return {
        run: async () => expect(await recordCalls(world, calls)).toEqual([null, 'grant_not_active', 'policy_denied']),
      };
    },
  },
  {
    name: 'record_calls, within a budget',
    events: ['call.decided'],
    arrange: async (world) => {
      const task = await world.task({ max_calls: 1 });
      return {
        run: async () =>
          expect(await recordCalls(world, [callRecord({ task: { id: task, root: task, budgeted: true } })])).toEqual([
            null,
          ]),
      };
    },
  },
  {
    name: 'record_calls, under an exception',
    events: ['exception.used', 'call.decided'],
    arrange: async (world) => {
      const exception = await inForce(world);
      return { run: async () => expect(await recordCalls(world, [callRecord({ exception })])).toEqual([null]) };
    },
  },
  {
    name: 'report_outcome',
    events: ['call.reported'],
    arrange: async (world) => {
      const call = callRecord();
      await recordCalls(world, [call]);
      const about = { decision: call.id, actor: { kind: 'workload', ...GATEWAY } as const, origin: '192.0.2.1' };
      const said = { status: 'failed', detail: 'timeout', happened_at: '2026-11-23T12:00:00.000Z' } as const;
      return { run: () => world.ledger.calls.reportOutcome({ ...about, ...said }) };
    },
  },
];
