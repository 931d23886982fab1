import type { Found, MintRecord } from '../provider.ts';
import type { Vault } from './context.ts';
import { disableEntity } from './entity.ts';
import { harmlessFrom, isHere, readRequest } from './plan.ts';
import { at } from './values.ts';

/**
 * A token cannot be found without its accessor, and none is looked for among all that there are. One whose accessor is not on
 * record was never handed out and never extended: from a known time on it is dead. A grant with its own entity is killed
 * by that name at once, and nothing can be made for it later.
 */
export async function findToken(vault: Vault, mint: MintRecord, signal: AbortSignal): Promise<Found> {
  const request = readRequest(mint);
  if (request.entity) {
    await disableEntity(vault, request.entity.name, signal);
    // A lease lives on until its token does not, and elsewhere nothing was disabled.
    if (request.secret === undefined && isHere(vault.place, request)) return { kind: 'absent' };
  } else {
    // Where Vault does not answer, nothing is called absent.
    await vault.ask({ step: 'lookup_self', method: 'GET', path: at`auth/token/lookup-self` }, signal);
  }
  const until = harmlessFrom(request);
  return vault.clock.now() < until ? { kind: 'unknowable', until } : { kind: 'absent' };
}
