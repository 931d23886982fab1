import type { GrantState } from '../../../src/domain/grant.ts';
import type { GrantId } from '../../../src/domain/ids.ts';
import { ids } from '../world.ts';
import type { World } from '../world.ts';

/**
 * Every way in which the ledger changes: what is there before, the one call, and what that call must leave behind. Tests
 * walk this table for the states, for the events, and for what happens when an event cannot be written.
 */
export interface Transition {
  readonly name: string;
  /** The grant's state before and after, where it is about a grant. */
  readonly from?: GrantState;
  readonly to?: GrantState;
  /** Of this call, in order. */
  readonly events: readonly string[];
  readonly arrange: (world: World) => Promise<{ readonly grant?: GrantId; readonly run: () => Promise<unknown> }>;
}

/** A live grant of a profile of its own, and an order on that. */
export async function unsweptOrder(world: World) {
  await world.sql('update orders set swept_at = now() where swept_at is null');
  const opened = await world.live({ profile: 'p' + ids.grant() });
  return { ...opened, order: await world.order({ kind: 'profile', value: opened.shape.profile }) };
}

export async function refused(call: Promise<unknown>, code = 'under_order'): Promise<void> {
  await expect(call).rejects.toMatchObject({ name: 'Refusal', code });
}
