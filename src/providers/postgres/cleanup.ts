import pg from 'pg';
import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { Cleaned, MintRecord } from '../provider.ts';
import { lookAndTerminate } from './end.ts';
import { roleOf } from './plan.ts';
import { rollBackPrepared } from './prepared.ts';
import { joinRole, readRole } from './role.ts';
import type { Server } from './server.ts';

/** How long a tombstone outlives its mint's absolute end: more than clocks differ. */
const TOMBSTONE_MARGIN_MS = 60_000;

/**
 * Removes an ended role with all that it owns and was granted, in every database.
 *
 * `DROP OWNED ... CASCADE`, and never REASSIGN: a function, trigger or default privilege that an agent leaves behind would
 * run with the rights of whoever owns it next. What others built on an agent's objects goes with them.
 */
export async function removeRole(
  server: Server,
  clock: Clock,
  mint: MintRecord,
  signal: AbortSignal,
): Promise<Cleaned> {
  const name = roleOf(mint.mint);
  const role = await server.run(signal, (client) => readRole(client, name));
  if (!role) return { kind: 'done' };
  if (role.tombstone) {
    const until = new Date(mint.endsAt.getTime() + TOMBSTONE_MARGIN_MS);
    if (clock.now() < until) return { kind: 'later', until };
  }
  // The end has done so already, unless somebody ended it by hand.
  if (!role.login && !role.tombstone) await server.run(signal, (client) => joinRole(client, name));
  if (role.login || role.sessions > 0) {
    if (!role.login) await server.run(signal, (client) => lookAndTerminate(client, name)); // it slipped in
    throw new ProviderError('provider_refused', { nothingLives: false, facts: { finding: 'not_ended' } });
  }
  await rollBackPrepared(server, name, signal);
  await server.run(signal, async (client) => {
    for (const { owner } of await granting(client, role.oid)) await joinRole(client, owner);
  });
  const dropOwned = (client: pg.ClientBase) => client.query(`DROP OWNED BY ${pg.escapeIdentifier(name)} CASCADE`);
  for (const { database, here } of await server.run(signal, (client) => placesOf(client, role.oid))) {
    await (here ? server.run(signal, dropOwned) : server.runAs({ database }, signal, dropOwned));
  }
  await server.run(signal, (client) => client.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(name)}`));
  return { kind: 'done' };
}

/**
 * Logins of ours that own something, where the role was granted privileges on anything at all: only as a member of the owner may those be
 * revoked, and the owner may well live. Mostly none: privileges come by way of roles.
 */
async function granting(client: pg.ClientBase, oid: string): Promise<readonly { readonly owner: string }[]> {
  const { rows } = await client.query<{ owner: string }>(
    `SELECT r.rolname AS owner FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles me ON me.oid = m.member
     WHERE me.rolname = current_user AND m.admin_option AND r.oid <> $1::oid
       AND EXISTS (SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1::oid AND s.deptype = 'a')
       AND EXISTS (SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.deptype = 'o')`,
    [oid],
  );
  return rows;
}

interface Place {
  readonly database: string;
  readonly here: boolean;
}

/** Where the role owns or is granted something; what belongs to no database is dropped from the configured one. */
async function placesOf(client: pg.ClientBase, oid: string): Promise<readonly Place[]> {
  const { rows } = await client.query<Place>(
    `SELECT DISTINCT d.datname AS database, d.datname = current_database() AS here
     FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid OR s.dbid = 0 AND d.datname = current_database()
     WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1::oid`,
    [oid],
  );
  return rows;
}
