import pg from 'pg';
import type { HealthFinding } from '../provider.ts';
import { heldRoles, type HeldRole } from './catalogue.ts';
import { finding } from './findings.ts';
import type { Server } from './server.ts';

interface Granted {
  readonly me: string;
  readonly database: string;
  readonly grantable: boolean;
  readonly may_connect: boolean;
  readonly held: readonly HeldRole[];
  /** Those held that may grant on what was granted to them, in this database. */
  readonly passing_on: readonly string[];
  /** Those held that are logins. */
  readonly logins: readonly string[];
  /** Where and by whom objects may be created: `PUBLIC` or one of those held. Quoted for SQL. */
  readonly creates: readonly { readonly place: string; readonly creator: string }[];
}

/** One row for a role that exists. Every privilege that it holds, itself or through others, is one entry of `acl`. */
const GRANTED = `WITH RECURSIVE target AS MATERIALIZED (SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = $1),
reached AS (SELECT oid FROM target UNION SELECT m.roleid FROM pg_auth_members m JOIN reached x ON m.member = x.oid),
acl AS MATERIALIZED (
  SELECT o.place, a.grantee, a.is_grantable, a.privilege_type FROM (
    SELECT NULL AS place, relacl AS acl FROM pg_class
    UNION ALL SELECT NULL, attacl FROM pg_attribute
    UNION ALL SELECT NULL, proacl FROM pg_proc
    UNION ALL SELECT NULL, lomacl FROM pg_largeobject_metadata
    UNION ALL SELECT format('SCHEMA %I', nspname), nspacl FROM pg_namespace
    UNION ALL SELECT format('DATABASE %I', datname), datacl FROM pg_database WHERE datname = current_database()
  ) o CROSS JOIN LATERAL aclexplode(o.acl) a WHERE o.acl IS NOT NULL AND (a.grantee = 0 OR a.grantee IN (SELECT oid FROM reached)))
SELECT current_user::text AS me, current_database()::text AS database,
  me.rolsuper OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = target.oid AND m.member = me.oid AND m.admin_option) AS grantable,
  has_database_privilege(target.oid, current_database(), 'CONNECT') AS may_connect,
  (${heldRoles('SELECT target.oid')}) AS held,
  (SELECT coalesce(array_agg(DISTINCT pg_get_userbyid(grantee)::text), '{}') FROM acl WHERE is_grantable AND grantee <> 0) AS passing_on,
  (SELECT coalesce(array_agg(rolname::text), '{}') FROM pg_roles WHERE rolcanlogin AND oid IN (SELECT oid FROM reached)) AS logins,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('place', place, 'creator',
     CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END) ORDER BY place, grantee), '[]')
   FROM acl WHERE place IS NOT NULL AND privilege_type = 'CREATE') AS creates
FROM target JOIN pg_roles me ON me.rolname = current_user`;

/** A role that profiles grant. @throws ProviderError when it cannot be asked for. */
export async function checkRole(
  server: Server,
  acceptedCreators: readonly string[],
  name: string,
  signal: AbortSignal,
): Promise<readonly HealthFinding[]> {
  const { rows } = await server.run(signal, (client) => client.query<Granted>(GRANTED, [name]));
  return judge(pg.escapeIdentifier(name), rows[0], acceptedCreators);
}

function judge(
  role: string,
  granted: Granted | undefined,
  acceptedCreators: readonly string[],
): readonly HealthFinding[] {
  if (!granted) return [finding('role_missing', { role })];
  const me = pg.escapeIdentifier(granted.me);
  const database = pg.escapeIdentifier(granted.database);
  const findings: HealthFinding[] = [];
  if (!granted.grantable) findings.push(finding('role_not_grantable', { role, me }));
  if (!granted.may_connect) findings.push(finding('role_cannot_connect', { role, database }));
  for (const { role: name, because } of granted.held) {
    const held = pg.escapeIdentifier(name);
    const powers = because.filter((power) => power !== 'policy');
    if (powers.length > 0) findings.push(finding('role_too_powerful', { role, held, because: powers.join(', ') }));
    if (because.includes('policy')) findings.push(finding('role_in_policy', { role, held }));
  }
  for (const name of granted.passing_on)
    findings.push(finding('role_may_pass_on', { role, held: pg.escapeIdentifier(name) }));
  for (const name of granted.logins)
    findings.push(finding('role_can_log_in', { role, held: pg.escapeIdentifier(name) }));
  for (const { place, creator } of granted.creates) {
    if (acceptedCreators.includes(creator)) continue;
    const quoted = creator === 'PUBLIC' ? creator : pg.escapeIdentifier(creator);
    findings.push(finding('role_may_create', { role, place, creator: quoted }));
  }
  return findings;
}
