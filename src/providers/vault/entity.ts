import { ProviderError } from '../../domain/errors.ts';
import { EntityMade, EntityAnswer, parse } from './answers.ts';
import type { Vault } from './context.ts';
import type { Footprint } from './footprint.ts';
import type { VaultRequest } from './plan.ts';
import { onceSeen } from './unseen.ts';
import { at } from './values.ts';

/** A grant's own identity: policies that are static may name its metadata, and disabling it kills by name. */
type Entity = NonNullable<VaultRequest['entity']>;

/** @returns the entity's id. @throws ProviderError `entity_taken`: this mint was begun before, or is already given up. */
export async function makeEntity(
  vault: Vault,
  { name, metadata }: Entity,
  footprint: Footprint,
  signal: AbortSignal,
): Promise<string> {
  const { ask } = vault;
  const mount_accessor = await vault.tokenMount(signal);
  // `disabled` is left out: writing it would bring one back that `disableEntity` has killed.
  const path = at`identity/entity/name/${name}`;
  const write = { step: 'entity_create', method: 'POST', path, body: { metadata } } as const;
  const made = EntityMade.safeParse((await footprint.write(() => ask(write, signal))).body);
  // An entity that was there is changed, and not told.
  if (!made.success)
    throw new ProviderError('provider_refused', { nothingLives: false, facts: { finding: 'entity_taken' } });
  const canonical_id = made.data.data.id;
  const body = { name, canonical_id, mount_accessor };
  const alias = { step: 'alias_create', method: 'POST', path: at`identity/entity-alias`, body } as const;
  await onceSeen(() => ask(alias, signal), signal);
  return canonical_id;
}

/** No token of it is accepted any more, and none is made: also where there was no entity yet. */
export async function disableEntity({ ask }: Vault, name: string, signal: AbortSignal): Promise<void> {
  const path = at`identity/entity/name/${name}`;
  await ask({ step: 'entity_disable', method: 'POST', path, body: { disabled: true } }, signal);
}

export async function readEntity({ ask }: Vault, name: string, signal: AbortSignal) {
  const call = { step: 'entity_read', method: 'GET', path: at`identity/entity/name/${name}`, accept: [404] } as const;
  const reply = await ask(call, signal);
  return reply.status === 404 ? undefined : parse(EntityAnswer, reply, call.step).data;
}

/** With its alias. */
export async function deleteEntity({ ask }: Vault, name: string, signal: AbortSignal): Promise<void> {
  const path = at`identity/entity/name/${name}`;
  await ask({ step: 'entity_delete', method: 'DELETE', path, accept: [404] }, signal);
}
