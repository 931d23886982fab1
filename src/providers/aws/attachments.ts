import { GetRoleCommand, type IAMClient } from '@aws-sdk/client-iam';
import type { Clock } from '../../domain/clock.ts';
import { ask } from './call.ts';
import { parseRoleArn } from './names.ts';

/** How long what was found of a role is not looked at again: less, where it has no boundary and may get one. */
const KNOWN_MS = 60_000;
const WITHOUT_MS = 10_000;

/** A role, as its account's revoker sees it. */
export interface RoleFound {
  readonly boundary: string | undefined;
  readonly maxSession: number | undefined;
  /** Seen with this boundary since then, without another in between. */
  readonly since: Date;
}

/** @throws ProviderError; each failure is asked about again. */
export type FindRole = (role: string, signal: AbortSignal) => Promise<RoleFound>;

export function makeFindRole(iam: IAMClient, clock: Clock): FindRole {
  const known = new Map<string, { readonly found: RoleFound; readonly until: number }>();
  return async (role, signal) => {
    const there = known.get(role);
    if (there && clock.now().getTime() < there.until) return there.found;
    const command = new GetRoleCommand({ RoleName: parseRoleArn(role)?.name });
    const { Role } = await ask(signal, command, (options) => iam.send(command, options));
    const boundary = Role?.Arn === role ? Role.PermissionsBoundary?.PermissionsBoundaryArn : undefined;
    const before = known.get(role)?.found; // others may have looked meanwhile, and later
    const since = before && before.boundary === boundary ? before.since : clock.now();
    const found = { boundary, maxSession: Role?.MaxSessionDuration, since };
    const ms = found.boundary === undefined ? WITHOUT_MS : KNOWN_MS;
    known.set(role, { found, until: clock.now().getTime() + ms });
    return found;
  };
}
