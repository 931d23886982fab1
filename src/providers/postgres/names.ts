import type { MintId } from '../../domain/ids.ts';
import { mintOf } from './plan.ts';
import type { Server } from './server.ts';

/**
 * Mints whose roles are there, alive, ended or tombstones. Only those over which this administrator has ADMIN, as their
 * creator has: another Writ on the same server has a login, and roles, of its own. (A superuser sees all.)
 */
export async function listMints(server: Server, signal: AbortSignal): Promise<readonly MintId[]> {
  const { rows } = await server.run(signal, (client) =>
    client.query<{ role: string }>(
      `SELECT r.rolname AS role FROM pg_roles r JOIN pg_roles me ON me.rolname = current_user
       WHERE r.rolname ^@ 'writ_m' AND (me.rolsuper OR EXISTS (
         SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member = me.oid AND m.admin_option))`,
    ),
  );
  return rows.flatMap(({ role }) => mintOf(role) ?? []);
}
