import type { GrantState } from '../../src/domain/grant.ts';
import type { GrantId } from '../../src/domain/ids.ts';
import { OPERATOR, SECOND_OPERATOR, SHAPE, ids } from './world.ts';
import type { OpenedGrant, World } from './world.ts';

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

const lost = (mint: OpenedGrant['mint'], nothingLives: boolean, endGrant: boolean) => ({
  mint,
  handle: null,
  nothing_lives: nothingLives,
  end_grant: endGrant,
  error: 'provider_timeout',
  owner: 'one',
  lease_seconds: 30,
});

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

/** A question to a person; nothing asks one yet, so the row is put there. */
async function pending(world: World): Promise<GrantId> {
  const { grant } = await world.live();
  const id = ids.grant();
  const changed = `jsonb_build_object('id', $2::text, 'state', 'pending_approval', 'issued_at', null)`;
  const copy = `insert into grants select (jsonb_populate_record(g, ${changed})).* from grants g where id = $1`;
  await world.sql(copy, [grant, id]);
  return id;
}

async function unsweptOrder(world: World) {
  await world.sql('update orders set swept_at = now() where swept_at is null');
  const opened = await world.live({ profile: 'p' + ids.grant() });
  return { ...opened, order: await world.order({ kind: 'profile', value: opened.shape.profile }) };
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

const newKey = () => ({
  kid: ids.mint(),
  class: ids.mint(),
  alg: 'ES256',
  publicJwk: {},
  encryptionKey: 'k',
  wrapped: 'w',
});

export const TRANSITIONS: readonly Transition[] = [
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
      const grant = await pending(world);
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
  {
    name: 'create_order',
    events: ['order.created'],
    arrange: async (world) => ({ run: () => world.order({ kind: 'agent', value: 'nobody' }) }),
  },
  {
    name: 'sweep_order',
    from: 'active',
    to: 'ending',
    events: ['grant.ending', 'order.swept'],
    arrange: async (world) => {
      const { grant, order } = await unsweptOrder(world);
      return { grant, run: () => world.ledger.reaping.sweep(order, 500) };
    },
  },
  {
    name: 'sweep_order, pending_approval',
    from: 'pending_approval',
    to: 'refused',
    events: ['grant.refused', 'order.swept'],
    arrange: async (world) => {
      const grant = await pending(world);
      const [row] = await world.sql<{ task_id: string }>('select task_id from grants where id = $1', [grant]);
      await world.sql(`update grants set state = 'ending', why = 'revocation' where task_id = $1 and id <> $2`, [
        row?.task_id,
        grant,
      ]);
      const order = await world.order({ kind: 'task', value: row?.task_id ?? '' });
      return { grant, run: () => world.ledger.reaping.sweep(order, 500) };
    },
  },
  {
    name: 'lift_order',
    events: ['order.lifted'],
    arrange: async (world) => {
      const order = await world.order({ kind: 'agent', value: 'nobody' });
      const lifting = { order, reason: 'over', actor: OPERATOR, origin: null };
      return { run: () => world.ledger.orders.lift(lifting) };
    },
  },
  {
    name: 'lift_order, all, asked for',
    events: ['order.lift_requested'],
    arrange: async (world) => {
      const order = await world.order({ kind: 'all', value: '*' });
      await world.sql('update orders set lifted_at = now(), swept_at = now() where id <> $1', [order]);
      const lifting = { order, reason: 'over', actor: OPERATOR, origin: null };
      return { run: () => world.ledger.orders.lift(lifting) };
    },
  },
  {
    name: 'lift_order, all, by a second person',
    events: ['order.lifted'],
    arrange: async (world) => {
      const order = await world.order({ kind: 'all', value: '*' });
      const lifting = { order, reason: 'over', actor: OPERATOR, origin: null };
      await world.ledger.orders.lift(lifting);
      return { run: () => world.ledger.orders.lift({ ...lifting, actor: SECOND_OPERATOR }) };
    },
  },
  {
    name: 'activate_generation',
    events: ['generation.activated'],
    arrange: async (world) => ({ run: () => world.activateRules() }),
  },
  {
    name: 'record_refusals',
    events: ['evidence.refused'],
    arrange: async (world) => ({
      run: () => world.ledger.reaping.recordRefusals({ evidence_expired: 3 }, new Date()),
    }),
  },
  {
    name: 'add_signing_key',
    events: ['key.added'],
    arrange: async (world) => {
      const key = newKey();
      return { run: () => world.ledger.signingKeys.add(key, { after: null, leadSeconds: 1, keepSeconds: 1 }) };
    },
  },
  {
    name: 'reseal_signing_key',
    events: ['key.rewrapped'],
    arrange: async (world) => {
      const key = newKey();
      await world.ledger.signingKeys.add(key, { after: null, leadSeconds: 1, keepSeconds: 1 });
      return { run: () => world.ledger.signingKeys.rewrap(key.kid, 'w', { encryptionKey: 'k2', wrapped: 'w2' }) };
    },
  },
];

async function refused(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toMatchObject({ name: 'Refusal', code: 'under_order' });
}
