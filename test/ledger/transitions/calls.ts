import { ONE_APPROVER } from '../../../src/domain/approval.ts';
import { call, onTask, record } from '../calling.ts';
import { inForce } from '../excepting.ts';
import { ids, OPERATOR, SHAPE } from '../world.ts';
import type { World } from '../world.ts';
import type { Transition } from './transition.ts';

/** A call that a person was asked about, and has approved. */
async function approved(world: World) {
  const asked = call({ outcome: 'approval', code: 'approval_required' });
  await record(world, [asked]);
  const approval = {
    id: ids.approval(),
    kind: 'call',
    asked: {},
    asked_hash: 'asked',
    needs: ONE_APPROVER,
    chain: [],
    expires_at: new Date(Date.now() + 60_000).toISOString(),
    notify: [],
    max_open: 1_000,
  } as const;
  const { trust, subject } = asked;
  const about = { decision: asked.id, trust, subject, owner: 'payments', environment: 'production', origin: null };
  await world.ledger.approvals.requestCall({ ...about, approval });
  await world.answer({ approval: approval.id });
  return { id: approval.id, askedHash: 'asked' };
}

const use = { how: 'call', trust: SHAPE.trust, subject: SHAPE.subject, count: 3, origin: null };

/** Calls of tools, how they went, and what is used after its end. */
export const CALLS: readonly Transition[] = [
  {
    name: 'record_calls',
    events: ['call.decided'],
    arrange: async (world) => ({ run: () => record(world, [call()]) }),
  },
  {
    name: 'record_calls, some of which are not allowed',
    events: ['call.decided', 'call.decided', 'call.decided'],
    arrange: async (world) => {
      const { grant, task } = await world.live();
      await world.revoke({ grant });
      const calls = [call(), call({ grant, task: onTask(task) }), call({ outcome: 'deny', code: 'policy_denied' })];
      return {
        run: async () => expect(await record(world, calls)).toEqual([null, 'grant_not_active', 'policy_denied']),
      };
    },
  },
  {
    name: 'record_calls, within a budget',
    events: ['call.decided'],
    arrange: async (world) => {
      const task = await world.task({ max_calls: 1 });
      return { run: async () => expect(await record(world, [call({ task: onTask(task, true) })])).toEqual([null]) };
    },
  },
  {
    name: 'record_calls, approved',
    events: ['call.decided', 'approval.consumed'],
    arrange: async (world) => {
      const approval = await approved(world);
      return { run: async () => expect(await record(world, [call({ approval })])).toEqual([null]) };
    },
  },
  {
    name: 'record_calls, under an exception',
    events: ['exception.used', 'call.decided'],
    arrange: async (world) => {
      const exception = await inForce(world);
      return { run: async () => expect(await record(world, [call({ exception })])).toEqual([null]) };
    },
  },
  {
    name: 'report_outcome',
    events: ['call.reported'],
    arrange: async (world) => {
      const { id, trust, subject } = call();
      await record(world, [call({ id })]);
      const actor = { kind: 'workload', trust, id: subject } as const;
      const report = {
        decision: id,
        status: 'succeeded',
        detail: null,
        happened_at: null,
        actor,
        origin: null,
      } as const;
      return { run: () => world.ledger.calls.reportOutcome(report) };
    },
  },
  {
    name: 'record_use_after_revocation, of a grant',
    from: 'ending',
    to: 'ending',
    events: ['use.after_revocation'],
    arrange: async (world) => {
      const opened = await world.live();
      await world.revoke(opened);
      return {
        grant: opened.grant,
        run: () => world.ledger.tasks.noteUse({ ...use, grant: opened.grant, task: null }),
      };
    },
  },
  {
    name: 'record_use_after_revocation, of a task',
    events: ['use.after_revocation'],
    arrange: async (world) => {
      const task = await world.task();
      await world.endTask(task);
      return { run: () => world.ledger.tasks.noteUse({ ...use, grant: null, task }) };
    },
  },
];

/** The record itself: who has read it, what of it must stay, and what a receiver is sent again. */
export const RECORD: readonly Transition[] = [
  {
    name: 'record_read',
    events: ['evidence.read'],
    arrange: async (world) => {
      const read = { actor: OPERATOR, origin: null, what: 'events', resource: 'events', query: {}, count: 7 };
      return { run: () => world.ledger.evidence.recordRead(read) };
    },
  },
  {
    name: 'place_hold',
    events: ['hold.placed'],
    arrange: async (world) => {
      const hold = { id: ids.hold(), reason: 'a case', from: null, to: null, actor: OPERATOR, origin: null };
      return { run: () => world.ledger.holds.place(hold) };
    },
  },
  {
    name: 'lift_hold',
    events: ['hold.lifted'],
    arrange: async (world) => {
      const hold = { id: ids.hold(), reason: 'a case', from: null, to: null, actor: OPERATOR, origin: null };
      await world.ledger.holds.place(hold);
      const lift = { id: hold.id, reason: 'closed', actor: OPERATOR, origin: null };
      return { run: () => world.ledger.holds.lift(lift) };
    },
  },
  {
    name: 'replay_dead_letters',
    events: ['letters.replayed'],
    arrange: async (world) => {
      const sink = ids.grant();
      await world.ledger.sinks.claim({ sink, owner: sink, from: 'start', lease_seconds: 30 });
      const dead = [{ leaf: 1, task: null, error: '400' }];
      const settling = { sink, owner: sink, from: 0, to: 2, dead, error: null, delay_seconds: 0 };
      await world.ledger.sinks.settle(settling);
      const replay = { sink, task: null, reason: 'mended', actor: OPERATOR, origin: null };
      return { run: async () => expect(await world.ledger.sinks.replay(replay)).toEqual({ count: 1 }) };
    },
  },
];
