import { createHash } from 'node:crypto';
import { canonicalJson } from '../../../src/domain/json.ts';
import { ids, OPERATOR, SECOND_OPERATOR } from '../world.ts';
import { unsweptOrder } from './transition.ts';
import type { Transition } from './transition.ts';

const newKey = () => {
  const publicJwk = { crv: 'Ed25519', kty: 'OKP', x: ids.mint() };
  const kid = createHash('sha256').update(canonicalJson(publicJwk)).digest('base64url');
  return { kid, class: ids.mint(), alg: 'EdDSA', publicJwk, encryptionKey: 'k', wrapped: 'w' };
};

/** Orders, generations, keys, and what is counted before authentication. */
export const OTHERS: readonly Transition[] = [
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
      const { grant, task } = await world.pending();
      const order = await world.order({ kind: 'task', value: task });
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
