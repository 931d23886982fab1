import type { Identity } from '../domain/identity.ts';
import { Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { MintId } from '../domain/ids.ts';
import type { JsonObject } from '../domain/json.ts';
import type { TokenClass } from '../keys/classes.ts';
import { patiently } from './after-revocation.ts';
import { clientOf } from './clients.ts';
import type { Client } from './clients.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Revocation } from './revoke.ts';
import type { TaskClaims, TaskTokens } from './task-token.ts';
import type { TaskEnd } from './tasks.ts';

export interface TokenParts {
  readonly clients: readonly Client[];
  readonly issuer: string;
  /** Verifies a token of ours; undefined for anything else. */
  readonly verify: (tokenClass: TokenClass, token: string) => Promise<JsonObject | undefined>;
  readonly tasks: TaskTokens;
}

/**
 * RFC 7662: asks the time, the state and the orders, so a token is inactive from the moment its grant or its task ends. A registered
 * client may ask about access tokens for its audiences and about task tokens, anybody else only about its own.
 * Undefined is the answer `{"active": false}`, whatever the reason; one that was taken back raises the alarm.
 * @throws Refusal `not_a_client`.
 */
export function makeIntrospect(context: Pick<ExchangeContext, 'ledger' | 'clock' | 'alert'>, parts: TokenParts) {
  const { ledger, clock, alert } = context;

  async function mayAsk(asking: Identity, claims: JsonObject, mint: MintId): Promise<boolean> {
    const client = clientOf(parts.clients, asking, 'introspect');
    if (client?.audiences.includes(text(claims, 'aud'))) return true;
    const owned = await ledger.grants.ofMint(mint);
    return owned?.trust === asking.trust && owned.subject === asking.id;
  }

  async function ofTask({ identity, origin }: Caller, shown: TaskClaims): Promise<JsonObject | undefined> {
    const { task, holder, claims } = shown;
    const own = holder.trust === identity.trust && holder.id === identity.id;
    if (!own && !clientOf(parts.clients, identity, 'introspect')) throw new Refusal('not_a_client');
    if (shown.expired) return undefined;
    if (await ledger.tasks.isActive(task)) return { active: true, token_type: 'N_A', ...claims };
    await patiently(alert({ how: 'introspect', task, by: identity, origin }));
    return undefined;
  }

  return async function introspect(caller: Caller, token: string): Promise<JsonObject | undefined> {
    const asking = caller.identity;
    const onTask = await parts.tasks.read(token);
    if (onTask) return ofTask(caller, onTask);
    const claims = await ourToken(parts, token);
    const mint = claims && parseId('mint', text(claims, 'jti'));
    if (!claims || !mint || !(await mayAsk(asking, claims, mint))) {
      if (!clientOf(parts.clients, asking, 'introspect')) throw new Refusal('not_a_client');
      return undefined;
    }
    if (Number(claims['exp']) * 1000 <= clock.now().getTime()) return undefined;
    if (await ledger.grants.mintIsActive(mint)) return { active: true, token_type: 'Bearer', ...claims };
    const grant = await ledger.grants.ofMint(mint);
    if (grant) await patiently(alert({ how: 'introspect', grant: grant.grant, by: asking, origin: caller.origin }));
    return undefined;
  };
}

/**
 * RFC 7009: the workload to which a token was issued gives it back; a task token ends its task, with everything below it. An
 * unknown token is as good as revoked.
 */
export function makeRevokeToken(
  { ledger }: Pick<ExchangeContext, 'ledger'>,
  parts: TokenParts,
  revoke: (revocation: Revocation) => Promise<unknown>,
  endTask: (ending: TaskEnd) => Promise<unknown>,
) {
  return async function revokeToken({ identity, origin }: Caller, token: string): Promise<void> {
    const subject = { trust: identity.trust, id: identity.id };
    const actor = { kind: 'workload', ...subject } as const;
    const reason = 'token revoked by its holder';
    const onTask = await parts.tasks.read(token);
    if (onTask) {
      const { task, holder } = onTask;
      if (holder.trust === identity.trust && holder.id === identity.id)
        await endTask({ task, reason, actor, origin, subject });
      return;
    }
    const claims = await ourToken(parts, token);
    const mint = claims && parseId('mint', text(claims, 'jti'));
    const owned = mint && (await ledger.grants.ofMint(mint));
    if (owned?.trust !== identity.trust || owned.subject !== identity.id) return;
    await revoke({ grant: owned.grant, reason, actor, origin, subject });
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
