import pg from 'pg';
import type { PostgresRequest } from './plan.ts';

/** A role that a login was made a member of, directly or through others, and what it is besides a bundle of privileges. */
export interface HeldRole {
  readonly role: string;
  /** Closed words, empty for a role that may be granted. */
  readonly because: readonly Power[];
}

/**
 * Why a role is never granted: each would let a login pass rights on, become somebody else, or leave the database.
 * `owner`: an owner grants to others what it owns, and that outlives the login.
 */
export type Power =
  'superuser' | 'createrole' | 'createdb' | 'replication' | 'bypassrls' | 'admin_of_roles' | 'predefined' | 'owner';

/** Predefined roles that only read, or write rows. Every other, and those to come, reach the server itself or other sessions. */
const HARMLESS_PREDEFINED = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_monitor',
  'pg_read_all_settings',
  'pg_read_all_stats',
  'pg_stat_scan_tables',
];

/** SQL that gives an array of `Power` for the row `h` of pg_roles. */
const POWERS = `array_remove(ARRAY[
  CASE WHEN h.rolsuper THEN 'superuser' END,
  CASE WHEN h.rolcreaterole THEN 'createrole' END,
  CASE WHEN h.rolcreatedb THEN 'createdb' END,
  CASE WHEN h.rolreplication THEN 'replication' END,
  CASE WHEN h.rolbypassrls THEN 'bypassrls' END,
  CASE WHEN EXISTS (SELECT FROM pg_auth_members a WHERE a.member = h.oid AND a.admin_option) THEN 'admin_of_roles' END,
  CASE WHEN h.rolname ^@ 'pg_' AND h.rolname <> ALL (${literals(HARMLESS_PREDEFINED)}) THEN 'predefined' END,
  CASE WHEN EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = h.oid
                    AND d.deptype = 'o' AND d.classid <> 'pg_default_acl'::regclass) THEN 'owner' END
], NULL)`;

/** SQL, one row `held`: every role reached from those that \`start\` (a query of oids) gives, themselves included. */
export function heldRoles(start: string): string {
  return `WITH RECURSIVE reached AS (${start} UNION SELECT m.roleid FROM pg_auth_members m JOIN reached r ON m.member = r.oid)
SELECT coalesce(jsonb_agg(jsonb_build_object('role', h.rolname, 'because', ${POWERS})), '[]') AS held
FROM pg_roles h WHERE h.oid IN (SELECT oid FROM reached)`;
}

/** What the server says of a new role. */
export interface Made {
  /** In the shape of the plan's request, and to be equal to it. */
  readonly made: PostgresRequest;
  readonly held: readonly HeldRole[];
  readonly system_identifier: string;
}

/** SQL, one row `Made`; none when there is no such role. */
export function readBack(role: string): string {
  return `SELECT jsonb_build_object(
  'database', current_database(),
  'role', r.rolname,
  'attributes', jsonb_build_object('login', r.rolcanlogin, 'superuser', r.rolsuper, 'createdb', r.rolcreatedb,
    'createrole', r.rolcreaterole, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls),
  'connection_limit', r.rolconnlimit,
  'valid_until', to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'memberships', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', g.rolname, 'admin', m.admin_option,
      'inherit', m.inherit_option, 'set', m.set_option) ORDER BY g.rolname), '[]')
    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)) AS made,
 (${heldRoles('SELECT m.roleid AS oid FROM pg_auth_members m WHERE m.member = r.oid')}) AS held,
 (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier
FROM pg_roles r WHERE r.rolname = ${pg.escapeLiteral(role)}`;
}

function literals(texts: readonly string[]): string {
  return `ARRAY[${texts.map((text) => pg.escapeLiteral(text)).join(', ')}]`;
}
