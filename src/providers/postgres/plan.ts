import { z } from 'zod';
import { ProviderError } from '../../domain/errors.ts';
import type { MintId } from '../../domain/ids.ts';
import { parseId } from '../../domain/ids.ts';
import type { Parameters, Profile } from '../../domain/profile.ts';
import type { MintRequest, Plan } from '../provider.ts';
import { Claims, fillClaims } from './claims.ts';
import { PostgresSection } from './config.ts';

const no = z.literal(false);
const yes = z.literal(true);

/**
 * A plan's `request`: everything that the new role will be. What the catalogues say of the role is put into the same shape
 * and must be equal to it.
 */
export const PostgresRequest = z.strictObject({
  database: z.string().min(1),
  role: z.string().regex(/^writ_m[0-9a-z]{21}$/),
  attributes: z.strictObject({
    login: yes,
    superuser: no,
    createdb: no,
    createrole: no,
    replication: no,
    bypassrls: no,
  }),
  connection_limit: z.int().min(1),
  /** Absolute: the login ends without anybody's help, however late it came to be. */
  valid_until: z.iso.datetime({ precision: 3 }),
  /**
   * Exactly these, sorted by role. The privileges without the role itself (`set: false`): with `SET ROLE` a login would
   * leave objects behind that outlive it; with `admin: true` it would pass the role on.
   */
  memberships: z.array(z.strictObject({ role: z.string().min(1), admin: no, inherit: yes, set: no })).min(1),
  /** The role's comment, as JSON: what row security goes by. */
  claims: Claims.exactOptional(),
});
export type PostgresRequest = z.infer<typeof PostgresRequest>;

const PREFIX = 'writ_';

/** A mint's role is known from its id alone: no record is needed to find it. */
export function roleOf(mint: MintId): string {
  return PREFIX + mint;
}

/** The mint whose role this is, where it is one. */
export function mintOf(role: string): MintId | undefined {
  return role.startsWith(PREFIX) ? parseId('mint', role.slice(PREFIX.length)) : undefined;
}

export function planRole(database: string, profile: Profile, parameters: Parameters, mint: MintRequest): Plan {
  const { roles, connection_limit, claims } = PostgresSection.parse(profile.section);
  if (mint.endsAt <= mint.now)
    throw new ProviderError('provider_refused', { nothingLives: true, facts: { finding: 'end_has_passed' } });
  const request: PostgresRequest = {
    database,
    role: roleOf(mint.mint),
    attributes: {
      login: true,
      superuser: false,
      createdb: false,
      createrole: false,
      replication: false,
      bypassrls: false,
    },
    connection_limit,
    valid_until: mint.endsAt.toISOString(),
    memberships: [...roles].sort().map((role) => ({ role, admin: false, inherit: true, set: false })),
    ...(claims && { claims: fillClaims(claims, parameters) }),
  };
  return { mint: mint.mint, endsAt: mint.endsAt, revocability: { mode: 'immediate' }, request };
}

/** A plan's request as it comes back from the ledger, for this provider's database. @throws ProviderError. */
export function readRequest(plan: Plan, database: string): PostgresRequest {
  const parsed = PostgresRequest.safeParse(plan.request);
  const ours =
    parsed.success &&
    parsed.data.database === database &&
    parsed.data.role === roleOf(plan.mint) &&
    parsed.data.valid_until === plan.endsAt.toISOString();
  if (!ours) {
    throw new ProviderError('provider_refused', {
      nothingLives: true,
      facts: { finding: 'plan_of_another_set_up' },
      cause: parsed.error,
    });
  }
  return parsed.data;
}
