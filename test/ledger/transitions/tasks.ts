import { ids } from '../world.ts';
import { refused } from './transition.ts';
import type { Transition } from './transition.ts';

/** Tasks that are made, handed on and ended. */
export const TASKS: readonly Transition[] = [
  {
    name: 'open_task',
    events: ['decision.made', 'task.created'],
    arrange: async (world) => {
      const opening = world.openingTask();
      return { run: () => world.ledger.tasks.open(opening) };
    },
  },
  {
    name: 'open_task, of a part',
    events: ['decision.made', 'task.delegated'],
    arrange: async (world) => {
      const parent = await world.task();
      const opening = world.openingTask({ parent }, { subject: 'spiffe://dev.local/agent/two' });
      return { run: () => world.ledger.tasks.open(opening) };
    },
  },
  {
    name: 'open_task, of a part in another environment, of a task whose environment is under an order',
    events: ['decision.made'],
    arrange: async (world) => {
      const environment = ids.grant();
      const parent = await world.task({ environments: [environment, 'staging'] }, { environment });
      await world.order({ kind: 'environment', value: environment });
      const opening = world.openingTask(
        { parent },
        { subject: 'spiffe://dev.local/agent/two', environment: 'staging' },
      );
      return { run: () => refused(world.ledger.tasks.open(opening)) };
    },
  },
  {
    name: 'open_task, of a part whose giver is under an order',
    events: ['decision.made'],
    arrange: async (world) => {
      const subject = ids.grant();
      const parent = await world.task({}, { subject });
      await world.order({ kind: 'agent', value: subject });
      const opening = world.openingTask({ parent }, { subject: 'spiffe://dev.local/agent/two' });
      return { run: () => refused(world.ledger.tasks.open(opening)) };
    },
  },
  {
    name: 'open_task, under a key',
    events: ['decision.made', 'task.created'],
    arrange: async (world) => {
      const opening = { ...world.openingTask(), idempotency: { key: ids.grant(), request_hash: 'h' } };
      return { run: () => world.ledger.tasks.open(opening) };
    },
  },
  {
    name: 'open_task, one too many',
    events: ['decision.made'],
    arrange: async (world) => {
      const opening = { ...world.openingTask({}, { subject: ids.grant() }), max_open: 0 };
      return { run: () => refused(world.ledger.tasks.open(opening), 'too_many_open_tasks') };
    },
  },
  {
    name: 'open_grant, on a task',
    to: 'issuing',
    events: ['decision.made', 'grant.opened'],
    arrange: async (world) => {
      const opening = world.opening({ task: await world.task() });
      return { grant: opening.grant.id, run: () => world.ledger.issuing.openGrant(opening) };
    },
  },
  {
    name: 'end_task',
    from: 'active',
    to: 'ending',
    events: ['task.ended', 'grant.ending'],
    arrange: async (world) => {
      const task = await world.task();
      const { grant } = await world.live({ task });
      return { grant, run: () => world.endTask(task) };
    },
  },
  {
    name: 'end_task, pending_approval',
    from: 'pending_approval',
    to: 'refused',
    events: ['task.ended', 'grant.refused'],
    arrange: async (world) => {
      const task = await world.task();
      const { grant } = await world.pending({ task });
      return { grant, run: () => world.endTask(task) };
    },
  },
  {
    name: 'advance_tasks, past the deadline',
    from: 'active',
    to: 'ending',
    events: ['task.ended', 'grant.ending'],
    arrange: async (world) => {
      const task = await world.task();
      const { grant } = await world.live({ task });
      await world.sql(`update tasks set ends_at = now() - interval '1 second' where id = $1`, [task]);
      return { grant, run: () => world.ledger.tasks.advance(500) };
    },
  },
  {
    name: 'activate_mint, after its task has ended',
    from: 'issuing',
    to: 'ending',
    events: ['grant.ending'],
    arrange: async (world) => {
      const task = await world.task();
      const opened = await world.open({ task });
      await world.sql(
        `update tasks set state = 'ended', ended_at = now(), ended_why = 'ended', swept_at = now() where id = $1`,
        [task],
      );
      const run = () => expect(world.activate(opened)).rejects.toMatchObject({ code: 'task_ended' });
      return { grant: opened.grant, run };
    },
  },
];
