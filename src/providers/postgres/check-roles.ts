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
}

/** One row for a role that exists. */
const GRANTED = `SELECT current_user::text AS me, current_database()::text AS database,
  me.rolsuper OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member = me.oid AND m.admin_option) AS grantable,
  has_database_privilege(r.oid, current_database(), 'CONNECT') AS may_connect,
  (${heldRoles('SELECT r.oid')}) AS held,
  (WITH RECURSIVE reached AS (SELECT r.oid UNION SELECT m.roleid FROM pg_auth_members m JOIN reached x ON m.member = x.oid)
   SELECT coalesce(array_agg(DISTINCT h.rolname::text), '{}') FROM pg_roles h JOIN (
     SELECT relacl AS acl FROM pg_class UNION ALL SELECT nspacl FROM pg_namespace UNION ALL SELECT proacl FROM pg_proc
     UNION ALL SELECT attacl FROM pg_attribute UNION ALL SELECT datacl FROM pg_database UNION ALL SELECT lomacl FROM pg_largeobject_metadata
   ) o ON o.acl IS NOT NULL JOIN LATERAL aclexplode(o.acl) a ON a.is_grantable AND a.grantee = h.oid
   WHERE h.oid IN (SELECT oid FROM reached)) AS passing_on
FROM pg_roles r JOIN pg_roles me ON me.rolname = current_user WHERE r.rolname = $1`;

/** A role that profiles grant. @throws ProviderError when it cannot be asked for. */
export async function checkRole(server: Server, name: string, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  const { rows } = await server.run(signal, (client) => client.query<Granted>(GRANTED, [name]));
  return judge(pg.escapeIdentifier(name), rows[0]);
}

function judge(role: string, granted: Granted | undefined): readonly HealthFinding[] {
  if (!granted) return [finding('role_missing', { role })];
  const me = pg.escapeIdentifier(granted.me);
  const powerful = granted.held.filter(({ because }) => because.length > 0);
  return [
    ...(granted.grantable ? [] : [finding('role_not_grantable', { role, me })]),
    ...(granted.may_connect
      ? []
      : [finding('role_cannot_connect', { role, database: pg.escapeIdentifier(granted.database) })]),
    ...powerful.map((held) =>
      finding('role_too_powerful', { role, held: pg.escapeIdentifier(held.role), because: held.because.join(', ') }),
    ),
    ...granted.passing_on.map((held) => finding('role_may_pass_on', { role, held: pg.escapeIdentifier(held) })),
  ];
}
