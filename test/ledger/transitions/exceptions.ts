import { askAbout, deniedCall } from '../calling.ts';
import { answered, decidedUnder, ended, inForce, requested, reviewed } from '../excepting.ts';
import { ids } from '../world.ts';
import type { World } from '../world.ts';
import { refused } from './transition.ts';
import type { Transition } from './transition.ts';

const CHANNEL = 'chat.test/1';
/** A notice whose last attempt is about to fail. */
async function lastAttempt(world: World) {
  const waiting = await world.pending({ notify: [CHANNEL] });
  await world.ledger.notices.claim({ targets: [CHANNEL], owner: waiting.grant, limit: 100, lease_seconds: 30 });
  return waiting;
}

/** Exceptions, those who are told of approvals, and calls that are put before a person. */
export const EXCEPTIONS: readonly Transition[] = [
  {
    name: 'request_exception',
    events: ['exception.requested'],
    arrange: async (world) => ({ run: () => requested(world) }),
  },
  {
    name: 'answer_exception, approve',
    events: ['exception.approved'],
    arrange: async (world) => {
      const id = await requested(world);
      return { run: () => answered(world, id) };
    },
  },
  {
    name: 'answer_exception, deny',
    events: ['exception.denied'],
    arrange: async (world) => {
      const id = await requested(world);
      return { run: () => answered(world, id, 'deny') };
    },
  },
  {
    name: 'end_exception',
    events: ['exception.ended'],
    arrange: async (world) => {
      const id = await inForce(world);
      return { run: () => ended(world, id) };
    },
  },
  {
    name: 'review_exception',
    events: ['exception.reviewed'],
    arrange: async (world) => {
      const id = await inForce(world);
      return { run: () => reviewed(world, id) };
    },
  },
  {
    name: 'open_grant, under an exception',
    to: 'issuing',
    events: ['exception.used', 'decision.made', 'task.created', 'grant.opened'],
    arrange: async (world) => {
      const opening = { ...world.opening(), decision: decidedUnder(world, await inForce(world)) };
      return { grant: opening.grant.id, run: () => world.ledger.issuing.openGrant(opening) };
    },
  },
  {
    name: 'settle_notice, for the last time',
    events: ['approval.untold'],
    arrange: async (world) => {
      const { approval, grant } = await lastAttempt(world);
      const failed = { approval, target: CHANNEL, owner: grant, error: 'timeout', delay_seconds: 1, dead_after: 1 };
      return { run: () => world.ledger.notices.settle(failed) };
    },
  },
  {
    name: 'settle_notice, taken',
    events: ['approval.told'],
    arrange: async (world) => {
      const { approval, grant } = await lastAttempt(world);
      const taken = { approval, target: CHANNEL, owner: grant, error: null, delay_seconds: 1, dead_after: 9 };
      return { run: () => world.ledger.notices.settle(taken) };
    },
  },
  {
    name: 'claim_notices, of an approval that has lapsed before anybody could be told',
    events: ['approval.untold'],
    arrange: async (world) => {
      const { grant } = await lastAttempt(world);
      const past = `now() - interval '1 second'`;
      await world.sql(`update grants set expires_at = ${past} where id = $1`, [grant]);
      await world.sql(`update approvals set expires_at = ${past} where grant_id = $1`, [grant]);
      await world.ledger.approvals.lapse(500);
      const claiming = { targets: [CHANNEL], owner: grant, limit: 100, lease_seconds: 30 };
      return { run: () => world.ledger.notices.claim(claiming) };
    },
  },
  {
    name: 'request_call_approval',
    events: ['approval.requested'],
    arrange: async (world) => {
      const decision = { ...world.decision({ action: 'call', outcome: 'approval', code: 'approval_required' }) };
      await world.ledger.issuing.recordDecision(decision);
      const { trust, subject } = decision;
      const approval = {
        id: ids.approval(),
        kind: 'call',
        asked: { arguments: { amount: 900 } },
        asked_hash: 'asked',
        needs: [{ role: 'approver', count: 1 }],
        chain: [],
        expires_at: new Date(Date.now() + 60_000).toISOString(),
        notify: [],
        max_open: 1_000,
      } as const;
      const about = {
        decision: decision.id,
        refusal: ids.decision(),
        trust,
        subject,
        owner: 'payments',
        environment: 'production',
        origin: null,
      };
      return { run: () => world.ledger.approvals.requestCall({ ...about, approval }) };
    },
  },
  {
    name: 'request_call_approval, under an order',
    events: ['call.decided'],
    arrange: async (world) => {
      const decision = await deniedCall(world, { subject: 'spiffe://dev.local/agent/' + ids.grant() });
      await world.order({ kind: 'agent', value: decision.subject });
      return { run: () => refused(askAbout(world, decision)) };
    },
  },
  {
    name: 'request_call_approval, on a task that is over',
    events: ['call.decided'],
    arrange: async (world) => {
      const task = await world.task();
      const decision = await deniedCall(world, { task_id: task });
      await world.endTask(task);
      return { run: () => refused(askAbout(world, decision), 'task_ended') };
    },
  },
];
