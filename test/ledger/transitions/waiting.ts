import { SECOND_OPERATOR } from '../world.ts';
import type { World } from '../world.ts';
import type { Transition } from './transition.ts';

const past = `now() - interval '1 second'`;

async function approved(world: World) {
  const waiting = await world.pending();
  await world.answer(waiting);
  return waiting;
}

/** What waits for a person's answer. */
export const WAITING: readonly Transition[] = [
  {
    name: 'open_grant, on approval',
    to: 'pending_approval',
    events: ['decision.made', 'task.created', 'approval.requested', 'grant.requested'],
    arrange: async (world) => {
      const opening = world.openingPending();
      return { grant: opening.grant.id, run: () => world.ledger.issuing.openGrant(opening) };
    },
  },
  {
    name: 'answer_approval, approve',
    from: 'pending_approval',
    to: 'pending_approval',
    events: ['approval.answered'],
    arrange: async (world) => {
      const waiting = await world.pending();
      return { grant: waiting.grant, run: () => world.answer(waiting) };
    },
  },
  {
    name: 'answer_approval, deny',
    from: 'pending_approval',
    to: 'refused',
    events: ['approval.answered', 'grant.refused'],
    arrange: async (world) => {
      const waiting = await world.pending();
      return { grant: waiting.grant, run: () => world.answer(waiting, 'deny', SECOND_OPERATOR) };
    },
  },
  {
    name: 'claim_grant',
    from: 'pending_approval',
    to: 'issuing',
    events: ['decision.made', 'approval.consumed', 'grant.opened'],
    arrange: async (world) => {
      const waiting = await approved(world);
      return { grant: waiting.grant, run: () => world.ledger.issuing.claimGrant(world.claimOf(waiting)) };
    },
  },
  {
    name: 'lapse_approvals',
    from: 'pending_approval',
    to: 'lapsed',
    events: ['grant.lapsed', 'approval.lapsed'],
    arrange: async (world) => {
      const { grant } = await world.pending();
      await world.sql(`update grants set expires_at = ${past} where id = $1`, [grant]);
      await world.sql(`update approvals set expires_at = ${past} where grant_id = $1`, [grant]);
      return { grant, run: () => world.ledger.approvals.lapse(500) };
    },
  },
];
