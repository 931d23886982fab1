import { ids } from '../world.ts';
import type { OpenedGrant } from '../world.ts';
import { refused, unsweptOrder } from './transition.ts';
import type { Transition } from './transition.ts';

const lost = (mint: OpenedGrant['mint'], nothingLives: boolean, endGrant: boolean) => ({
  mint,
  handle: null,
  nothing_lives: nothingLives,
  end_grant: endGrant,
  error: 'provider_timeout',
  owner: 'one',
  lease_seconds: 30,
});

/** On the way of an issuance, and what gives it up. */
export const ISSUING: readonly Transition[] = [
  {
    name: 'record_decision',
    events: ['decision.made'],
    arrange: async (world) => ({
      run: () => world.ledger.issuing.recordDecision(world.decision({ outcome: 'deny', code: 'policy_denied' })),
    }),
  },
  {
    name: 'open_grant',
    to: 'issuing',
    events: ['decision.made', 'task.created', 'grant.opened'],
    arrange: async (world) => {
      const opening = world.opening({ idempotency: { key: ids.grant(), request_hash: 'h' } });
      return { grant: opening.grant.id, run: () => world.ledger.issuing.openGrant(opening) };
    },
  },
  {
    name: 'open_grant, under an order',
    events: ['decision.made'],
    arrange: async (world) => {
      const { profile } = (await unsweptOrder(world)).shape;
      return { run: () => refused(world.ledger.issuing.openGrant(world.opening({ profile }))) };
    },
  },
  {
    name: 'activate_mint',
    from: 'issuing',
    to: 'active',
    events: ['grant.activated'],
    arrange: async (world) => {
      const opened = await world.open();
      return { grant: opened.grant, run: () => world.activate(opened) };
    },
  },
  ...(['first', 'renewal'] as const).map((kind): Transition => ({
    name: `activate_mint, ${kind}, under an order`,
    from: kind === 'first' ? 'issuing' : 'active',
    to: 'ending',
    events: ['grant.ending'],
    arrange: async (world) => {
      const profile = 'p' + ids.grant();
      let opened = kind === 'first' ? await world.open({ profile }) : await world.live({ profile });
      if (kind === 'renewal') {
        const opening = world.openingMint(opened, 'renewal');
        opened = { ...opened, ...(await world.ledger.issuing.openMint(opening)), mint: opening.mint.id };
      }
      await world.order({ kind: 'profile', value: profile });
      return { grant: opened.grant, run: () => refused(world.activate(opened)) };
    },
  })),
  {
    name: 'open_mint',
    from: 'active',
    to: 'active',
    events: ['decision.made', 'mint.opened'],
    arrange: async (world) => {
      const opened = await world.live();
      const opening = world.openingMint(opened, 'renewal');
      return { grant: opened.grant, run: () => world.ledger.issuing.openMint(opening) };
    },
  },
  {
    name: 'open_mint, under an order',
    from: 'active',
    to: 'active',
    events: ['decision.made'],
    arrange: async (world) => {
      const opened = await unsweptOrder(world);
      const opening = world.openingMint(opened, 'renewal');
      return { grant: opened.grant, run: () => refused(world.ledger.issuing.openMint(opening)) };
    },
  },
  {
    name: 'open_mint, on a task that is over',
    from: 'active',
    to: 'active',
    events: ['decision.made'],
    arrange: async (world) => {
      const opened = await world.live();
      await world.sql(`update tasks set ends_at = now() where id = $1`, [opened.task]);
      const opening = world.openingMint(opened, 'renewal');
      return { grant: opened.grant, run: () => refused(world.ledger.issuing.openMint(opening), 'task_ended') };
    },
  },
  {
    name: 'open_mint, of a grant that is ending',
    from: 'ending',
    to: 'ending',
    events: ['decision.made'],
    arrange: async (world) => {
      const opened = await world.live();
      const opening = world.openingMint(opened, 'renewal');
      await world.revoke(opened);
      return { grant: opened.grant, run: () => refused(world.ledger.issuing.openMint(opening), 'grant_not_active') };
    },
  },
  ...(['renewal', 'child'] as const).map((kind): Transition => ({
    name: `activate_mint, ${kind}`,
    from: 'active',
    to: 'active',
    events: ['mint.activated'],
    arrange: async (world) => {
      const opened = await world.live();
      const opening = world.openingMint(opened, kind);
      const { epoch } = await world.ledger.issuing.openMint(opening);
      return { grant: opened.grant, run: () => world.activate({ mint: opening.mint.id, epoch }) };
    },
  })),
  {
    name: 'abandon_mint, nothing lives',
    from: 'issuing',
    to: 'failed',
    events: ['grant.failed'],
    arrange: async (world) => {
      const { grant, mint } = await world.open();
      return { grant, run: () => world.ledger.issuing.abandon(lost(mint, true, true)) };
    },
  },
  {
    name: 'abandon_mint, something may live',
    from: 'issuing',
    to: 'ending',
    events: ['grant.ending'],
    arrange: async (world) => {
      const { grant, mint } = await world.open();
      return { grant, run: () => world.ledger.issuing.abandon(lost(mint, false, true)) };
    },
  },
  {
    name: 'abandon_mint, the caller is gone',
    from: 'active',
    to: 'ending',
    events: ['grant.ending'],
    arrange: async (world) => {
      const { grant, mint } = await world.live();
      return { grant, run: () => world.ledger.issuing.abandon(lost(mint, false, true)) };
    },
  },
  ...([true, false] as const).map((nothingLives): Transition => ({
    name: `abandon_mint, a renewal, ${nothingLives ? 'nothing lives' : 'something may live'}`,
    from: 'active',
    to: 'active',
    events: [nothingLives ? 'mint.ended' : 'mint.ending'],
    arrange: async (world) => {
      const opened = await world.live();
      const opening = world.openingMint(opened, 'renewal');
      await world.ledger.issuing.openMint(opening);
      const renewal = lost(opening.mint.id, nothingLives, false);
      return { grant: opened.grant, run: () => world.ledger.issuing.abandon(renewal) };
    },
  })),
];
