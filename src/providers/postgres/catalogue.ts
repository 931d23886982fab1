import pg from 'pg';
import { GUARDED } from './guard.ts';

/** A role that a login was made a member of, directly or through others, and what it is besides a bundle of privileges. */
export interface HeldRole {
  readonly role: string;
  /** Closed words, empty for a role that may be granted. */
  readonly because: readonly Power[];
}

/**
 * Why a role is never granted: each would let a login pass rights on, become somebody else, leave the database, or change
 * what others may do.
 * `owner`: an owner grants to others what it owns, and that outlives the login.
 * `policy`: see `GUARD_SQL`.
 */
export type Power =
  | 'superuser'
  | 'createrole'
  | 'createdb'
  | 'replication'
  | 'bypassrls'
  | 'admin_of_roles'
  | 'predefined'
  | 'owner'
  | 'policy';

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
                    AND d.deptype = 'o' AND d.classid <> 'pg_default_acl'::regclass) THEN 'owner' END,
  CASE WHEN EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = h.oid
                    AND d.deptype = 'r' AND NOT (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                      AND ${GUARDED})) THEN 'policy' END
], NULL)`;

/**
 * SQL of an array of `HeldRole`: every role reached from those whose oids `start` (a query) gives, themselves included.
 * OFFSET 0 keeps the planner on the index of members, however many logins there are.
 */
export function heldRoles(start: string): string {
  return `WITH RECURSIVE reached AS (${start} UNION SELECT m.roleid FROM reached r,
  LATERAL (SELECT roleid FROM pg_auth_members WHERE member = r.oid OFFSET 0) m)
SELECT coalesce(jsonb_agg(jsonb_build_object('role', h.rolname, 'because', ${POWERS})), '[]') FROM reached r,
  LATERAL (SELECT * FROM pg_roles WHERE oid = r.oid OFFSET 0) h`;
}

/** What the server says of roles before they are granted. */
export interface Granting {
  readonly held: readonly HeldRole[];
  /** Of the server: the same for its standbys and through any proxy. */
  readonly system_identifier: string;
}

/** SQL, one row `Granting`. */
export function beforeGrant(roles: readonly string[]): string {
  return `SELECT (${heldRoles(`SELECT oid FROM pg_roles WHERE rolname = ANY (${literals(roles)})`)}) AS held,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier`;
}

/**
 * SQL, one row `{ made: PostgresRequest }`, to be equal to the plan's request; none when there is no such role. A role
 * without a comment has no claims.
 */
export function readBack(role: string): string {
  return `SELECT jsonb_build_object(
  'database', current_database(),
  'role', r.rolname,
  'attributes', jsonb_build_object('login', r.rolcanlogin, 'superuser', r.rolsuper, 'createdb', r.rolcreatedb,
    'createrole', r.rolcreaterole, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls),
  'connection_limit', r.rolconnlimit,
  'valid_until', to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  'memberships', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', pg_get_userbyid(m.roleid), 'admin', m.admin_option,
      'inherit', m.inherit_option, 'set', m.set_option)), '[]') FROM pg_auth_members m WHERE m.member = r.oid)
) || coalesce((SELECT jsonb_build_object('claims', c.text::jsonb)
  FROM shobj_description(r.oid, 'pg_authid') AS c (text) WHERE c.text IS NOT NULL), '{}') AS made
FROM pg_roles r WHERE r.rolname = ${pg.escapeLiteral(role)}`;
}

function literals(texts: readonly string[]): string {
  return `ARRAY[${texts.map((text) => pg.escapeLiteral(text)).join(', ')}]`;
}
