import type { Cleaned, MintRecord } from '../provider.ts';
import type { Vault } from './context.ts';
import { deleteEntity, readEntity } from './entity.ts';
import { harmlessFrom, readRequest } from './plan.ts';
import { at } from './values.ts';

/**
 * The policy and the entity that were made for one grant. A disabled entity stays until nothing of its mint can come any
 * more: it is what a late token fails on.
 */
export async function clearAway(vault: Vault, mint: MintRecord, signal: AbortSignal): Promise<Cleaned> {
  const request = readRequest(mint);
  const { policy, entity } = request;
  if (policy) {
    const path = at`sys/policies/acl/${policy.name}`;
    await vault.ask({ step: 'policy_delete', method: 'DELETE', path, accept: [404] }, signal);
  }
  if (entity) {
    const until = harmlessFrom(request);
    if (vault.clock.now() < until) {
      const there = await readEntity(vault, entity.name, signal);
      // What a standby shows may be from before it was disabled; which server has answered is not said.
      if (there?.disabled === true || (await vault.serverNow(signal)).standby) return { kind: 'later', until };
    }
    await deleteEntity(vault, entity.name, signal);
  }
  return { kind: 'done' };
}
