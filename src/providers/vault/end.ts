import { ProviderError } from '../../domain/errors.ts';
import type { Ended, MintRecord } from '../provider.ts';
import { CapabilitiesAnswer, parse } from './answers.ts';
import type { Vault } from './context.ts';
import { failedWith, saysOf } from './errors.ts';
import type { VaultHandle } from './handle.ts';
import { onceGone } from './unseen.ts';
import { at, type VaultPath } from './values.ts';

/** When to ask again about what Vault has queued. */
const ASK_AGAIN_MS = 2_000;
/** The same, of what a standby does not know: it has seen it soon, or it is gone. */
const UNFOUND_MS = 10_000;
/** Past its end by more than clocks differ, a token is dead wherever it was. */
const PAST_MS = 60_000;

/** Of a token. */
const GONE = [400, 403, 404];
/** Vault's words for a lease that is not there, in all of its versions and in OpenBao's. */
const NO_LEASE = 'invalid lease';

/**
 * Each lease, the token that gives the real one, and the real one, in this order: revoking a token only queues what hangs on
 * it. It is called ended when looking it up says that it is gone.
 */
export async function endToken(
  vault: Vault,
  mint: MintRecord,
  handle: VaultHandle,
  signal: AbortSignal,
): Promise<Ended> {
  const leases: Fate[] = [];
  for (const lease of handle.leases) leases.push(await revokeLease(vault, lease, handle, signal));
  if (leases.some(({ gone }) => !gone)) return pending(vault);
  // Of the last of them, which is the real one.
  let found = false;
  const accessors = [handle.wrap_accessor, handle.accessor].flatMap((accessor) => accessor ?? []);
  for (const accessor of accessors) {
    const revoked = await revokeToken(vault, accessor, signal);
    if (!revoked.gone) return pending(vault);
    ({ found } = revoked);
  }
  found &&= leases.every((lease) => lease.found);
  return found ? { kind: 'ended' } : unfound(vault, mint, handle, signal);
}

/** Of what was to be revoked: whether it was there, as far as the answer tells, and whether it is no more. */
interface Fate {
  readonly found: boolean;
  readonly gone: boolean;
}

/**
 * 204 says that it is gone, 202 that Vault only queued it. 400 may say that there is none, and says as well that the
 * secrets engine could not: the look-up tells.
 */
async function revokeLease(vault: Vault, lease_id: string, handle: VaultHandle, signal: AbortSignal): Promise<Fate> {
  const step = 'lease_revoke';
  const body = { lease_id, sync: true };
  const revoke = { step, method: 'POST', path: at`sys/leases/revoke`, body, accept: [400, 404] } as const;
  const { status } = await vault.ask(revoke, signal);
  const found = status === 204 || status === 202;
  if (status === 204 || (await isLeaseGone(vault, lease_id, handle, signal))) return { found, gone: true };
  if (status < 400) return { found, gone: false };
  throw new ProviderError('provider_unreachable', { nothingLives: false, facts: { vault_status: status, step } });
}

/**
 * Of a lease Vault answers 400 for whatever goes wrong when it looks: only by its word is it gone. 404 is of a path, or of a namespace, that is
 * not there, and says nothing of a lease while there is something to wait for.
 */
async function isLeaseGone(vault: Vault, lease_id: string, handle: VaultHandle, signal: AbortSignal): Promise<boolean> {
  const step = 'lease_lookup';
  const look = { step, method: 'POST', path: at`sys/leases/lookup`, body: { lease_id }, accept: [400, 404] } as const;
  const reply = await vault.ask(look, signal);
  const { status } = reply;
  if (status < 400 || (status === 400 && saysOf(reply, NO_LEASE))) return status === 400;
  if (status === 404 && vault.clock.now().getTime() > pastOf(handle)) return true;
  throw failedWith(reply, step);
}

async function revokeToken(vault: Vault, accessor: string, signal: AbortSignal): Promise<Fate> {
  const step = 'token_revoke';
  const path = at`auth/token/revoke-accessor`;
  const reply = await vault.ask({ step, method: 'POST', path, body: { accessor }, accept: GONE }, signal);
  if (reply.status === 403) await refuseForbidden(vault, path, step, signal);
  // A token that was there is answered with 204; 200 brings a warning that there was none.
  const found = reply.status === 204 || reply.status === 202;
  return { found, gone: await onceGone(() => isTokenGone(vault, accessor, signal), signal) };
}

async function isTokenGone(vault: Vault, accessor: string, signal: AbortSignal): Promise<boolean> {
  const step = 'token_lookup';
  const path = at`auth/token/lookup-accessor`;
  const { status } = await vault.ask({ step, method: 'POST', path, body: { accessor }, accept: GONE }, signal);
  if (status === 403) await refuseForbidden(vault, path, step, signal);
  return GONE.includes(status);
}

/** 403 says of an accessor that it is bad, and of the broker that it may not ask: only the first is an answer. */
async function refuseForbidden({ ask }: Vault, path: VaultPath, step: string, signal: AbortSignal): Promise<void> {
  const body = { paths: [path] };
  const call = { step: 'own_capabilities', method: 'POST', path: at`sys/capabilities-self`, body } as const;
  const { data } = parse(CapabilitiesAnswer, await ask(call, signal), call.step);
  const may = data[path];
  if (Array.isArray(may) && may.some((each) => each === 'update' || each === 'root')) return;
  throw failedWith({ status: 403, body: undefined }, step);
}

/**
 * "Not found" is no proof on a cluster, or in a namespace, that is not the one that the mint was made in, nor at another address where the cluster
 * had no name; nor from a standby, which may not have seen the mint yet, and does not hand on what it does not know.
 */
async function unfound(
  vault: Vault,
  { request }: MintRecord,
  handle: VaultHandle,
  signal: AbortSignal,
): Promise<Ended> {
  const { cluster, namespace } = handle;
  const [now, past] = [vault.clock.now().getTime(), pastOf(handle)];
  if (now > past) return { kind: 'ended' };
  if (namespace !== vault.place.namespace) throw elsewhere({ finding: 'another_namespace' });
  if (cluster === undefined && request['address'] !== vault.place.address)
    throw elsewhere({ finding: 'another_address' });
  const answering = await vault.serverNow(signal);
  if (cluster !== undefined && cluster !== answering.cluster) throw elsewhere({ finding: 'another_cluster' });
  if (!answering.standby) return { kind: 'ended' };
  return { kind: 'pending', until: new Date(Math.min(now + UNFOUND_MS, past + 1)) };
}

function pastOf({ ends_at }: VaultHandle): number {
  return Date.parse(ends_at) + PAST_MS;
}

function elsewhere(facts: { readonly finding: string }): ProviderError {
  return new ProviderError('provider_refused', { nothingLives: false, facts });
}

function pending({ clock }: Vault): Ended {
  return { kind: 'pending', until: new Date(clock.now().getTime() + ASK_AGAIN_MS) };
}
