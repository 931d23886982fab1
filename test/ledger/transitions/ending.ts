import type { GrantState } from '../../../src/domain/grant.ts';
import { SHAPE } from '../world.ts';
import type { World } from '../world.ts';
import type { Transition } from './transition.ts';

/** A grant whose end was claimed, begun for `why`; `issued` false: it never came to be active. */
async function claimed(world: World, why: 'revocation' | 'expiry' | 'abandoned') {
  const opened = why === 'abandoned' ? await world.open() : await world.live();
  if (why === 'revocation') await world.revoke(opened);
  else {
    await world.age(opened.grant, 700);
    await world.ledger.reaping.advanceDue(500);
  }
  return { ...opened, claim: await world.claim(opened) };
}

async function stuck(world: World, why: 'revocation' | 'expiry' | 'abandoned') {
  const ending = await claimed(world, why);
  await world.ledger.reaping.retry(ending.mint, ending.claim.epoch, 'provider_unreachable', 0, 1);
  return { ...ending, claim: await world.claim(ending) };
}

const end = (
  why: 'revocation' | 'expiry' | 'abandoned',
  outcome: 'ended' | 'absent' | 'lapsed',
  to: GrantState,
  from: 'ending' | 'stuck' = 'ending',
): Transition => ({
  name: `close_mint, ${outcome}, ${why}, ${from}`,
  from,
  to,
  events: ['mint.ended', `grant.${to}`],
  arrange: async (world) => {
    const { grant, mint, claim } = await (from === 'stuck' ? stuck : claimed)(world, why);
    return { grant, run: () => world.ledger.reaping.close(mint, claim.epoch, outcome, false) };
  },
});

/** What ends a grant, and what confirms it. */
export const ENDING: readonly Transition[] = [
  ...(['issuing', 'active'] as const).map((from): Transition => ({
    name: `end_grant, ${from}`,
    from,
    to: 'ending',
    events: ['grant.ending'],
    arrange: async (world) => {
      const opened = from === 'active' ? await world.live() : await world.open();
      return { grant: opened.grant, run: () => world.revoke(opened) };
    },
  })),
  {
    name: 'end_grant, pending_approval',
    from: 'pending_approval',
    to: 'refused',
    events: ['grant.refused'],
    arrange: async (world) => {
      const { grant } = await world.pending();
      return { grant, run: () => world.revoke({ grant }) };
    },
  },
  {
    name: 'end_grant, ending already',
    from: 'ending',
    to: 'ending',
    events: [],
    arrange: async (world) => {
      const opened = await world.live();
      await world.revoke(opened);
      return { grant: opened.grant, run: () => world.revoke(opened) };
    },
  },
  {
    name: 'retire_mints',
    from: 'active',
    to: 'active',
    events: ['mint.ending'],
    arrange: async (world) => {
      const { grant } = await world.live();
      const subject = { trust: SHAPE.trust, id: SHAPE.subject };
      return { grant, run: () => world.ledger.issuing.retireMints(grant, subject, null) };
    },
  },
  ...([600, 16] as const).map((seconds): Transition => ({
    name: `advance_due, ${seconds === 600 ? 'past its end' : 'past the deadline of its intent'}`,
    from: seconds === 600 ? 'active' : 'issuing',
    to: 'ending',
    events: ['grant.ending'],
    arrange: async (world) => {
      const { grant } = seconds === 600 ? await world.live() : await world.open();
      await world.age(grant, seconds);
      return { grant, run: () => world.ledger.reaping.advanceDue(500) };
    },
  })),
  {
    name: 'advance_due, a mint that a renewal outlived',
    from: 'active',
    to: 'active',
    events: ['mint.ending'],
    arrange: async (world) => {
      const opened = await world.live();
      await world.renew(opened);
      await world.age(opened.grant, 700);
      return { grant: opened.grant, run: () => world.ledger.reaping.advanceDue(500) };
    },
  },
  {
    name: 'advance_due, nothing lives of it any more',
    from: 'active',
    to: 'expired',
    events: ['grant.ending', 'grant.expired'],
    arrange: async (world) => {
      const { grant, mint } = await world.live();
      await world.ledger.issuing.retireMints(grant, { trust: SHAPE.trust, id: SHAPE.subject }, null);
      const { epoch } = await world.claim({ grant });
      await world.ledger.reaping.close(mint, epoch, 'ended', false);
      await world.age(grant, 700);
      return { grant, run: () => world.ledger.reaping.advanceDue(500) };
    },
  },
  {
    name: 'claim_mints',
    from: 'ending',
    to: 'ending',
    events: [],
    arrange: async (world) => {
      const opened = await world.live();
      await world.revoke(opened);
      return { grant: opened.grant, run: () => world.claim(opened) };
    },
  },
  end('revocation', 'ended', 'revoked'),
  end('revocation', 'absent', 'revoked'),
  end('revocation', 'lapsed', 'expired'),
  end('expiry', 'ended', 'expired'),
  end('expiry', 'lapsed', 'expired'),
  end('abandoned', 'ended', 'failed'),
  end('abandoned', 'absent', 'failed'),
  end('abandoned', 'lapsed', 'expired'),
  end('revocation', 'ended', 'revoked', 'stuck'),
  end('expiry', 'ended', 'expired', 'stuck'),
  end('abandoned', 'absent', 'failed', 'stuck'),
  {
    name: 'close_mint, another one is left',
    from: 'ending',
    to: 'ending',
    events: ['mint.ended'],
    arrange: async (world) => {
      const opened = await world.live();
      await world.renew(opened);
      await world.revoke(opened);
      const { mint, epoch } = await world.claim(opened);
      return { grant: opened.grant, run: () => world.ledger.reaping.close(mint, epoch, 'ended', false) };
    },
  },
  {
    name: 'defer_mint',
    from: 'ending',
    to: 'ending',
    events: [],
    arrange: async (world) => {
      const { grant, mint, claim } = await claimed(world, 'revocation');
      return { grant, run: () => world.ledger.reaping.defer(mint, claim.epoch, new Date()) };
    },
  },
  {
    name: 'retry_mint',
    from: 'ending',
    to: 'ending',
    events: ['mint.end_failed'],
    arrange: async (world) => {
      const { grant, mint, claim } = await claimed(world, 'revocation');
      return { grant, run: () => world.ledger.reaping.retry(mint, claim.epoch, 'provider_unreachable', 1, 2) };
    },
  },
  {
    name: 'retry_mint, once too often',
    from: 'ending',
    to: 'stuck',
    events: ['mint.end_failed', 'grant.stuck'],
    arrange: async (world) => {
      const { grant, mint, claim } = await claimed(world, 'revocation');
      return { grant, run: () => world.ledger.reaping.retry(mint, claim.epoch, 'provider_unreachable', 1, 1) };
    },
  },
  {
    name: 'retry_mint, stuck already',
    from: 'stuck',
    to: 'stuck',
    events: ['mint.end_failed'],
    arrange: async (world) => {
      const { grant, mint, claim } = await stuck(world, 'revocation');
      return { grant, run: () => world.ledger.reaping.retry(mint, claim.epoch, 'provider_unreachable', 1, 1) };
    },
  },
];
