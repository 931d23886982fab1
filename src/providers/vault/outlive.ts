import type { Clock } from '../../domain/clock.ts';
import { CapabilitiesAnswer, parse } from './answers.ts';
import { refused } from './errors.ts';
import type { VaultRequest } from './plan.ts';
import type { Server } from './server.ts';
import { at } from './values.ts';

/** How long policies that let nothing outlive its end are not asked about again. */
const SAFE_MS = 60_000;

/**
 * What would let whoever holds a token live on: a token that was made by way of a role is renewed up to the *role's*
 * `token_explicit_max_ttl`, whatever its own says (seen on OpenBao 2.6.2; `authRenew` in both servers), and an orphan has
 * no parent that it dies with.
 */
const outliving = (role: string) => [
  'auth/token/renew-self',
  'auth/token/renew',
  'auth/token/renew-accessor',
  'auth/token/create-orphan',
  `auth/token/create/${role}`,
];

/**
 * Asks Vault itself what a token may. The answer for static policies is kept for a while; what depends on the grant is asked
 * each time. @throws ProviderError `token_may_outlive` with the path.
 */
export function makeOutliveCheck(ask: Server, clock: Clock) {
  const safeUntil = new Map<string, number>();
  return async (request: VaultRequest, accessor: string, signal: AbortSignal): Promise<void> => {
    const { token_role, token, entity, policy } = request;
    const key = (entity ?? policy) ? undefined : JSON.stringify([token_role, token.policies]);
    if (key !== undefined && clock.now().getTime() < (safeUntil.get(key) ?? 0)) return;
    const step = 'token_capabilities';
    const body = { accessor, paths: outliving(token_role) };
    const reply = await ask({ step, method: 'POST', path: at`sys/capabilities-accessor`, body }, signal);
    const { data } = parse(CapabilitiesAnswer, reply, step);
    const path = body.paths.find((asked) => !isHarmless(data[asked]));
    if (path !== undefined) throw refused('token_may_outlive', { path });
    if (key !== undefined) safeUntil.set(key, clock.now().getTime() + SAFE_MS);
  };
}

/** Anything but a plain no is taken for a yes. */
function isHarmless(capabilities: unknown): boolean {
  return (
    Array.isArray(capabilities) && capabilities.every((each) => each === 'deny' || each === 'read' || each === 'list')
  );
}
