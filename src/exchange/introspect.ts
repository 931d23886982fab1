import type { Identity } from '../domain/identity.ts';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { MintId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { TokenClass } from '../providers/provider.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Revocation } from './revoke.ts';

/** A registered resource server or enforcement point. */
export interface Client {
  readonly name: string;
  readonly trust: string;
  readonly id: string;
  readonly may: readonly ('introspect' | 'evaluate')[];
  readonly audiences: readonly string[];
}

export interface TokenParts {
  readonly clients: readonly Client[];
  readonly issuer: string;
  /** Verifies a token of ours; undefined for anything else. */
  readonly verify: (tokenClass: TokenClass, token: string) => Promise<JsonObject | undefined>;
}

/**
 * RFC 7662: asks the time, the state and the orders, so a token is inactive from the moment its grant ends. A registered client may
 * ask about tokens for its audiences, anybody else only about its own.
 * Undefined is the answer `{"active": false}`, whatever the reason.
 * @throws Refusal `not_a_client`.
 */
export function makeIntrospect({ ledger, clock }: Pick<ExchangeContext, 'ledger' | 'clock'>, parts: TokenParts) {
  async function mayAsk(asking: Identity, claims: JsonObject, mint: MintId): Promise<boolean> {
    const client = clientOf(parts.clients, asking);
    if (client?.audiences.includes(text(claims, 'aud'))) return true;
    const owned = await ledger.grants.ofMint(mint);
    return owned?.trust === asking.trust && owned.subject === asking.id;
  }

  return async function introspect(asking: Identity, token: string): Promise<JsonObject | undefined> {
    const claims = await ourToken(parts, token);
    const mint = claims && parseId('mint', text(claims, 'jti'));
    if (!claims || !mint || !(await mayAsk(asking, claims, mint))) {
      if (!clientOf(parts.clients, asking)) throw new Refusal('not_a_client');
      return undefined;
    }
    if (Number(claims['exp']) * 1000 <= clock.now().getTime()) return undefined;
    if (!(await ledger.grants.mintIsActive(mint))) return undefined;
    return { active: true, token_type: 'Bearer', ...claims };
  };
}

function clientOf(clients: readonly Client[], asking: Identity): Client | undefined {
  return clients.find(
    (entry) => entry.trust === asking.trust && entry.id === asking.id && entry.may.includes('introspect'),
  );
}

/** RFC 7009: the workload to which a token was issued gives it back. An unknown token is as good as revoked. */
export function makeRevokeToken(
  { ledger }: Pick<ExchangeContext, 'ledger'>,
  parts: TokenParts,
  revoke: (revocation: Revocation) => Promise<unknown>,
) {
  return async function revokeToken(caller: Caller, token: string): Promise<void> {
    const claims = await ourToken(parts, token);
    const mint = claims && parseId('mint', text(claims, 'jti'));
    const owned = mint && (await ledger.grants.ofMint(mint));
    if (owned?.trust !== caller.identity.trust || owned.subject !== caller.identity.id) return;
    const subject = { trust: caller.identity.trust, id: caller.identity.id };
    const actor = { kind: 'workload', ...subject } as const;
    await revoke({ grant: owned.grant, reason: 'token revoked by its holder', actor, origin: caller.origin, subject });
  };
}

async function ourToken(parts: TokenParts, token: string): Promise<JsonObject | undefined> {
  const claims = await parts.verify('access', token);
  return claims?.['iss'] === parts.issuer ? claims : undefined;
}

function text(claims: JsonObject, name: string): string {
  const value = claims[name];
  return typeof value === 'string' ? value : '';
}
