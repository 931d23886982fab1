import { z } from 'zod';
import type { JsonObject } from '../../domain/json.ts';
import type { Profile } from '../../domain/profile.ts';
import { Secret } from '../../domain/secret.ts';
import { Claims } from './claims.ts';

/** Query parameters of the URL that may be given; `options` and the like would undo what the provider sets for itself. */
const URL_PARAMETERS = new Set(['sslmode', 'sslrootcert', 'sslcert', 'sslkey']);
/** A name of Postgres: up to 63 bytes (NAMEDATALEN - 1), without NUL. */
const identifier = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 63 && !name.includes('\0'), 'is not a name of at most 63 bytes');

/**
 * `url`: an administrator's login with CREATEROLE and ADMIN on the roles of the profiles; one login for each Writ. Its path
 * names the database that credentials are for.
 * `accepted_databases`: others of the server that PUBLIC may connect to, and that is accepted.
 * `accepted_creators`: roles, or `PUBLIC`, that may create objects although a login can give tables and views away for good:
 * REASSIGN OWNED to a role that it inherits from is allowed even `WITH SET FALSE` (seen on 18.4). Once one has, the role is
 * refused as an owner until a person has looked.
 * `pool_size`: connections at most for issuing, and as many for ending, so that neither waits for the other.
 */
export const PostgresConfig = z.strictObject({
  url: z
    .string()
    .superRefine((text, context) => {
      for (const message of urlProblems(text)) context.addIssue({ code: 'custom', message });
    })
    .transform((text) => new Secret(text)),
  accepted_databases: z.array(identifier).default([]),
  accepted_creators: z.array(identifier).default([]),
  pool_size: z.int().min(1).max(50).default(8),
});
export type PostgresConfig = z.infer<typeof PostgresConfig>;

/**
 * `roles`: what a login is made a member of, by exact name; none may own objects or be more than a bundle of privileges.
 * `connection_limit`: sessions at a time. There is no limit for a statement's time: a login may change its own settings, so
 * that would be a promise that the server does not keep.
 * `claims`: what the login is for, where row security can read it; parameters may stand in it, and what a login may do with
 * what it can see is still its roles' alone.
 */
export const PostgresSection = z.strictObject({
  roles: z
    .array(identifier)
    .min(1)
    .max(10)
    .refine((roles) => new Set(roles).size === roles.length, 'names a role twice'),
  connection_limit: z.int().min(1).max(100).default(5),
  claims: Claims.exactOptional(),
}) satisfies z.ZodType<JsonObject>;
export type PostgresSection = z.infer<typeof PostgresSection>;

/** Never repeats the text: it holds a password. */
function urlProblems(text: string): readonly string[] {
  if (!URL.canParse(text)) return ['is not a URL'];
  const url = new URL(text);
  const problems: string[] = [];
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') problems.push('is not a postgres:// URL');
  if (url.hostname === '') problems.push('names no host');
  if (url.username === '') problems.push('names no user');
  if (url.pathname.length < 2) problems.push('names no database');
  for (const name of url.searchParams.keys()) {
    if (!URL_PARAMETERS.has(name))
      problems.push(`has the parameter ${name}, which is not one of ${[...URL_PARAMETERS].join(', ')}`);
  }
  return problems;
}

/** Roles are literal: a value that a caller chooses never picks what a login may do. */
export function sectionProblems(profile: Profile) {
  const { roles } = PostgresSection.parse(profile.section);
  return roles.flatMap((role, index) => {
    const message = role.includes('{{')
      ? 'a role is named literally; parameters cannot be part of it'
      : role.startsWith('writ_') || role.toLowerCase() === 'public'
        ? 'is not a role that can be granted'
        : undefined;
    return message ? [{ path: ['postgres', 'roles', index], message }] : [];
  });
}
