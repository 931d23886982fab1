import type { JsonObject } from '../../domain/json.ts';
import { Secret } from '../../domain/secret.ts';
import type { Minted } from '../provider.ts';
import { CreateAnswer, parse, SecretAnswer, TokenAnswer, WrapAnswer } from './answers.ts';
import type { Vault } from './context.ts';
import { makeEntity } from './entity.ts';
import { refused, withHandle, wrong } from './errors.ts';
import { makeFootprint, type Footprint } from './footprint.ts';
import type { VaultHandle } from './handle.ts';
import { holdAgainst, inSeconds } from './held.ts';
import { MINT_SECONDS, type VaultRequest } from './plan.ts';
import { onceSeen } from './unseen.ts';
import { at, atPath } from './values.ts';

export interface MintedToken extends Minted {
  readonly handle: VaultHandle;
}
export type MayOutlive = (request: VaultRequest, accessor: string, signal: AbortSignal) => Promise<void>;

/**
 * What the grant's own policy or entity needs, the token with its first short life, a look at what it became, and the secret
 * that is read with it. From the token on a failure says by its handle how to end it.
 */
export async function mintToken(
  vault: Vault,
  mayOutlive: MayOutlive,
  request: VaultRequest,
  signal: AbortSignal,
): Promise<MintedToken> {
  const footprint = makeFootprint();
  try {
    inTime(vault, request);
    const cluster = await vault.clusterLately(signal);
    const entity = await prepare(vault, request, footprint, signal);
    inTime(vault, request);
    const made = await footprint.write(() => create(vault, request, signal));
    const handle = { ...made.handle, ...(cluster !== undefined && { cluster }) };
    try {
      await onceSeen(() => examine({ vault, request, entity, mayOutlive, signal }, handle.accessor), signal);
      return request.secret === undefined
        ? { credential: new Secret(credentialOf(vault, made)), handle, expiresAt: new Date(request.ends_at) }
        : await exchange(vault, request.secret, made.token, handle, signal);
    } catch (error) {
      throw withHandle(error, handle);
    }
  } catch (error) {
    throw footprint.judged(error);
  }
}

/** What is begun later could come to be after it was called absent. */
function inTime({ clock }: Vault, { started_at, ends_at }: VaultRequest): void {
  const now = clock.now().getTime();
  if (now >= Date.parse(started_at) + MINT_SECONDS * 1000) throw refused('mint_too_late');
  if (now >= Date.parse(ends_at)) throw refused('end_has_passed');
}

/** @returns the id of the grant's own entity, or '' where it has none. */
async function prepare(
  vault: Vault,
  { policy, entity }: VaultRequest,
  footprint: Footprint,
  signal: AbortSignal,
): Promise<string> {
  if (policy) {
    const path = at`sys/policies/acl/${policy.name}`;
    const write = { step: 'policy_write', method: 'POST', path, body: { policy: policy.text } } as const;
    await footprint.write(() => vault.ask(write, signal));
  }
  return entity ? makeEntity(vault, entity, footprint, signal) : '';
}

interface Made {
  readonly handle: VaultHandle;
  /** The token, or the one that gives it once. */
  readonly token: Secret<string>;
  readonly wrapped: boolean;
}

async function create(vault: Vault, request: VaultRequest, signal: AbortSignal): Promise<Made> {
  const { token_role, token, wrap_ttl, ends_at, namespace } = request;
  const made = { leases: [], namespace, ends_at };
  const step = 'token_create';
  const path = at`auth/token/create/${token_role}`;
  const call = { step, method: 'POST', path, body: token } as const;
  if (wrap_ttl === undefined) {
    const { auth } = parse(CreateAnswer, await vault.ask(call, signal), step);
    return { handle: { accessor: auth.accessor, ...made }, token: new Secret(auth.client_token), wrapped: false };
  }
  const { wrap_info: info } = parse(WrapAnswer, await vault.ask({ ...call, wrapTtl: wrap_ttl }, signal), step);
  const handle = { accessor: info.wrapped_accessor, wrap_accessor: info.accessor, ...made };
  if (info.creation_path !== path || info.ttl > inSeconds(wrap_ttl)) throw withHandle(wrong('wrap_info'), handle);
  return { handle, token: new Secret(info.token), wrapped: true };
}

interface Examination {
  readonly vault: Vault;
  readonly request: VaultRequest;
  readonly entity: string;
  readonly mayOutlive: MayOutlive;
  readonly signal: AbortSignal;
}

/** What the token became first: only then does it count what it may. @throws ProviderError where it is not what was planned. */
async function examine({ vault, request, entity, mayOutlive, signal }: Examination, accessor: string): Promise<void> {
  const step = 'token_lookup';
  const path = at`auth/token/lookup-accessor`;
  const [looked, allowed] = await Promise.allSettled([
    vault.ask({ step, method: 'POST', path, body: { accessor }, accept: [400, 404] }, signal),
    mayOutlive(request, accessor, signal),
  ]);
  if (looked.status === 'rejected') throw looked.reason;
  const { status } = looked.value;
  if (status >= 400) throw wrong('accessor', { vault_status: status });
  holdAgainst(request, parse(TokenAnswer, looked.value, step).data, entity);
  if (allowed.status === 'rejected') throw allowed.reason;
}

/** Reads the secret with the token itself, so that its lease hangs on the grant and on nothing else. */
async function exchange(
  vault: Vault,
  path: string,
  token: Secret<string>,
  handle: VaultHandle,
  signal: AbortSignal,
): Promise<MintedToken> {
  const { ask, clock } = vault;
  const asked = clock.now().getTime();
  const step = 'secret_read';
  const reply = await ask({ step, method: 'GET', path: atPath(path), token }, signal);
  const { lease_id, lease_duration, data } = parse(SecretAnswer, reply, step);
  if (lease_id === '') throw refused('secret_without_lease');
  const leased = { ...handle, leases: [lease_id] };
  if (lease_duration === 0) throw withHandle(wrong('lease_duration'), leased);
  if (vault.standbyLately()) await seen(vault, lease_id, leased, signal);
  const expiresAt = new Date(Math.min(Date.parse(handle.ends_at), asked + lease_duration * 1000));
  return { credential: new Secret({ type: 'vault_secret', data }), handle: leased, expiresAt };
}

/**
 * A standby says of a lease that it has not seen yet, as of one that is gone, that it is revoked: so none is handed out before it
 * has. @throws ProviderError with the handle.
 */
async function seen({ ask }: Vault, lease_id: string, leased: VaultHandle, signal: AbortSignal): Promise<void> {
  const look = { step: 'lease_lookup', method: 'POST', path: at`sys/leases/lookup`, body: { lease_id } } as const;
  await onceSeen(() => ask(look, signal), signal).catch((error: unknown) => {
    throw withHandle(error, leased);
  });
}

function credentialOf({ place }: Vault, { token, wrapped }: Made): JsonObject {
  const { address, namespace } = place;
  return { type: 'vault_token', address, namespace, [wrapped ? 'wrapping_token' : 'token']: token.reveal() };
}
