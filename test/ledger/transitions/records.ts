import { callOf, recordCalls, reportOutcome, spending } from '../calling.ts';
import { ids, OPERATOR } from '../world.ts';
import type { Transition } from './transition.ts';

const ASKED = { reason: 'a case', actor: OPERATOR, origin: null } as const;

/** Calls of tools, and what is decided about the record itself. */
export const RECORDS: readonly Transition[] = [
  {
    name: 'record_calls',
    events: ['call.decided', 'call.decided'],
    arrange: async (world) => {
      const task = await world.task({ max_calls: 5 });
      const denied = callOf({ outcome: 'deny', code: 'policy_denied', ...spending(task) });
      return { run: () => recordCalls(world, [callOf(spending(task)), denied]) };
    },
  },
  {
    name: 'record_calls, on behalf of somebody who asks for another',
    events: ['call.decided'],
    arrange: async (world) => {
      const asked = callOf({ askedBy: { trust: 'mesh', id: 'gateway' }, onBehalfOf: 'user:ada', arguments: null });
      return { run: () => recordCalls(world, [asked]) };
    },
  },
  {
    name: 'report_outcome',
    events: ['call.reported'],
    arrange: async (world) => {
      const call = callOf();
      await recordCalls(world, [call]);
      return { run: () => reportOutcome(world, call.id) };
    },
  },
  {
    name: 'place_hold',
    events: ['hold.placed'],
    arrange: async (world) => ({
      run: () => world.ledger.holds.place({ id: ids.hold(), from: '2090-01-01T00:00:00Z', to: null, ...ASKED }),
    }),
  },
  {
    name: 'lift_hold',
    events: ['hold.lifted'],
    arrange: async (world) => {
      const id = ids.hold();
      await world.ledger.holds.place({ id, from: '2090-01-01T00:00:00Z', to: null, ...ASKED });
      return { run: () => world.ledger.holds.lift({ id, ...ASKED }) };
    },
  },
  {
    name: 'request_archive',
    events: ['archive.requested'],
    arrange: async (world) => ({
      run: () => world.ledger.archives.request({ id: ids.archive(), month: '2026-01', forced: true, ...ASKED }),
    }),
  },
];
