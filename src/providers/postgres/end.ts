import pg from 'pg';
import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Ended, MintRecord } from '../provider.ts';
import { roleOf } from './plan.ts';
import { readRole, systemIdentifier } from './role.ts';
import type { Server } from './server.ts';
import { pause } from './within.ts';

/** Between two looks for sessions: much longer than a login takes from the check of LOGIN until it can be seen. */
const LOOK_EVERY_MS = 100;
/** Looks in a row without a session before it is called ended. */
const CLEAN_LOOKS = 2;
const MOST_LOOKS = 20;
/** When to ask again about sessions that do not die. */
const ASK_AGAIN_MS = 5_000;

/**
 * No login, no privileges, no sessions, in this order: a login that raced NOLOGIN is seen by a later look, and by then it
 * has no privileges but PUBLIC's.
 */
export async function endRole(
  server: Server,
  clock: Clock,
  mint: MintRecord,
  handle: JsonObject,
  signal: AbortSignal,
): Promise<Ended> {
  const name = roleOf(mint.mint);
  const there = await server.run(signal, async (client) => {
    const role = await readRole(client, name);
    if (!role) await refuseAnotherServer(client, handle);
    else if (!role.tombstone) await disarm(client, name);
    return role !== undefined;
  });
  if (!there) return { kind: 'ended' };

  let clean = 0;
  for (let look = 0; look < MOST_LOOKS; look++) {
    const seen = await server.run(signal, (client) => terminate(client, name));
    clean = seen === 0 ? clean + 1 : 0;
    if (clean === CLEAN_LOOKS) return { kind: 'ended' };
    await pause(LOOK_EVERY_MS, signal);
  }
  return { kind: 'pending', until: new Date(clock.now().getTime() + ASK_AGAIN_MS) };
}

/**
 * NOLOGIN is committed first and by itself: nothing that may fail for the memberships holds it up. What others granted to
 * the role by hand is not ours to revoke; it goes with the role.
 */
async function disarm(client: pg.ClientBase, name: string): Promise<void> {
  await client.query(`ALTER ROLE ${pg.escapeIdentifier(name)} WITH NOLOGIN`);
  const { rows } = await client.query<{ role: string; grantor: string }>(
    `SELECT g.rolname AS role, b.rolname AS grantor
     FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
       JOIN pg_roles b ON b.oid = m.grantor JOIN pg_roles me ON me.rolname = current_user
     WHERE r.rolname = $1 AND (m.grantor = me.oid OR me.rolsuper)`,
    [name],
  );
  const revokes = rows.map(
    ({ role, grantor }) =>
      `REVOKE ${pg.escapeIdentifier(role)} FROM ${pg.escapeIdentifier(name)} GRANTED BY ${pg.escapeIdentifier(grantor)}`,
  );
  if (revokes.length > 0) await client.query(revokes.join(';'));
}

/** @returns how many sessions there were; each has been told to end. */
export async function terminate(client: pg.ClientBase, name: string): Promise<number> {
  const { rows } = await client.query(
    `SELECT pg_terminate_backend(s.pid) FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid WHERE r.rolname = $1`,
    [name],
  );
  return rows.length;
}

/** "Not found" is no proof on a server that is not the one that the mint was made on. */
async function refuseAnotherServer(client: pg.ClientBase, handle: JsonObject): Promise<void> {
  const mintedOn = handle['server'];
  if (mintedOn === undefined || mintedOn === (await systemIdentifier(client))) return;
  throw new ProviderError('provider_refused', { nothingLives: false, facts: { finding: 'another_server' } });
}
