import pg from 'pg';

/** A role as it stands in the catalogues now. */
export interface Role {
  readonly oid: string;
  readonly login: boolean;
  /** Made by `find` in place of a mint that never came: it only keeps the name. */
  readonly tombstone: boolean;
  /** Sessions of it in the whole server. */
  readonly sessions: number;
  readonly system_identifier: string;
}

/** `undefined` when there is no such role. */
export async function readRole(client: pg.ClientBase, name: string): Promise<Role | undefined> {
  const { rows } = await client.query<Role>(
    `SELECT r.oid::text, r.rolcanlogin AS login,
       NOT r.rolcanlogin AND r.rolvaliduntil = '-infinity' AND r.rolconnlimit = 0 AS tombstone,
       (SELECT count(*)::int FROM pg_stat_activity s WHERE s.usesysid = r.oid) AS sessions
     FROM pg_roles r WHERE r.rolname = $1`,
    [name],
  );
  return rows[0];
}

/**
 * From 16 on whoever made a role may end its sessions, and drop what it owns or gave away, only as a member of it; they may make themselves
 * one. Not at the mint: Postgres goes through all memberships of whoever creates a role, and each CREATE ROLE would cost more the more logins live.
 */
export async function joinRole(client: pg.ClientBase, name: string): Promise<void> {
  const { rows } = await client.query<{ member: boolean }>(`SELECT pg_has_role($1, 'USAGE') AS member`, [name]);
  if (rows[0]?.member) return;
  await client.query(`GRANT ${pg.escapeIdentifier(name)} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE`);
}

/** No mint makes such a role: it could never be used. */
export function tombstoneSql(name: string): string {
  return `CREATE ROLE ${pg.escapeIdentifier(name)} WITH NOLOGIN CONNECTION LIMIT 0 VALID UNTIL '-infinity'`;
}

/** @returns Postgres' identifier of the server, the same for its standbys and through any proxy. */
export async function systemIdentifier(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
  return rows[0]?.id ?? '';
}
