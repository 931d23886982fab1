import type { ExceptionId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/identity.ts';
import { ids, OPERATOR, SECOND_OPERATOR } from './world.ts';
import type { World } from './world.ts';

export const from = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

type Asked = Parameters<World['ledger']['exceptions']['request']>[0];

/** An exception for the usual profile, for ten minutes. */
export async function requested(world: World, change: Partial<Asked> = {}): Promise<ExceptionId> {
  const id = ids.exception();
  await world.ledger.exceptions.request({
    id,
    scope: { profile: 'orders-read', owner: 'payments', environment: 'production' },
    policies: ['freeze'],
    reason: 'incident 4711',
    starts_at: null,
    ends_at: from(600),
    review_by: from(3_600),
    author: OPERATOR,
    origin: '192.0.2.9',
    ...change,
  });
  return id;
}

export async function inForce(world: World, change: Partial<Asked> = {}): Promise<ExceptionId> {
  const id = await requested(world, change);
  await answered(world, id);
  return id;
}

export const answered = (
  world: World,
  exception: ExceptionId,
  answer: 'approve' | 'deny' = 'approve',
  actor: Actor = SECOND_OPERATOR,
) => world.ledger.exceptions.answer({ exception, answer, reason: 'as the runbook says', actor, origin: null });

export const ended = (world: World, exception: ExceptionId, actor: Actor = OPERATOR) =>
  world.ledger.exceptions.end({ exception, reason: 'over', actor, origin: null });

export const reviewed = (world: World, exception: ExceptionId, actor: Actor = SECOND_OPERATOR) =>
  world.ledger.exceptions.review({ exception, note: 'it was needed', actor, origin: null });

/** A decision that rests on an exception, as it is recorded. */
export const decidedUnder = (world: World, exception: ExceptionId) => ({
  ...world.decision(),
  exception_id: exception,
  inputs: { exception: { id: exception, policies: ['freeze'] } },
});
