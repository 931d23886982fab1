import { ids, OPERATOR, SHAPE } from '../world.ts';
import type { Transition } from './transition.ts';

const use = { how: 'call', trust: SHAPE.trust, subject: SHAPE.subject, count: 3, origin: null };

/** What is used after its end, and the record itself: who has read it, what of it must stay, what a receiver is sent again. */
export const RECORD: readonly Transition[] = [
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
