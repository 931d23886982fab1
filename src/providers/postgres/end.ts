import pg from 'pg';
import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Ended, MintRecord } from '../provider.ts';
import { roleOf } from './plan.ts';
import { sqlState } from './errors.ts';
import { rollBackPrepared } from './prepared.ts';
import { joinRole, readRole, systemIdentifier } from './role.ts';
import type { Server } from './server.ts';
import { pause } from '../within.ts';

/** Between two looks for sessions: much longer than a login takes from the check of LOGIN until it is seen to start. */
const LOOK_EVERY_MS = 100;
/** Looks in a row that find nothing before it is called ended. */
const CLEAN_LOOKS = 2;
const MOST_LOOKS = 20;
/** When to ask again about sessions that do not die. */
const ASK_AGAIN_MS = 5_000;
/** How often the login is disarmed anew where it holds that up itself, and how long each step of it waits. */
const MOST_TRIES = 6;
const HELD_UP_MS = 500;

/**
 * No login, no privileges, no sessions, in this order where the login does not hold it up. A login that raced NOLOGIN is seen
 * by a later look, and by then it has no privileges but PUBLIC's; what was starting during the first looks may be one, and is
 * waited for.
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
    return role;
  });
  if (!there) return { kind: 'ended' };
  if (!there.tombstone) await disarm(server, name, signal);

  const suspects = new Set<number>();
  for (let look = 0, clean = 0; look < MOST_LOOKS; look++) {
    const { sessions, starting } = await server.run(signal, (client) => lookAndTerminate(client, name));
    for (const pid of suspects) if (!starting.includes(pid)) suspects.delete(pid);
    if (look < CLEAN_LOOKS) for (const pid of starting) suspects.add(pid);
    clean = sessions === 0 && suspects.size === 0 ? clean + 1 : 0;
    if (clean === CLEAN_LOOKS) return { kind: 'ended' };
    await pause(LOOK_EVERY_MS, signal);
  }
  return { kind: 'pending', until: new Date(clock.now().getTime() + ASK_AGAIN_MS) };
}

/**
 * NOLOGIN is committed first and by itself: nothing that may fail for the memberships holds it up. But a login may lock its
 * own row, by changing its password in a transaction that it leaves open or prepares. Then the rest is done first, its
 * sessions are ended and its prepared transactions rolled back, and all is tried again.
 */
async function disarm(server: Server, name: string, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    const heldUp = await server.run(signal, async (client) => {
      const failures: pg.DatabaseError[] = [];
      for (const step of [forbidLogin, revokeMemberships, joinRole]) {
        await step(client, name).catch((error: unknown) => {
          if (!isHeldUp(error)) throw error;
          failures.push(error);
        });
      }
      const [failure] = failures;
      if (!failure) return false;
      await lookAndTerminate(client, name);
      // at once, before whoever was ended is back
      await forbidLogin(client, name).catch(ignoreHeldUp);
      if (tries === MOST_TRIES) throw failure;
      return true;
    });
    if (!heldUp) return;
    await rollBackPrepared(server, name, signal);
  }
}

/** Whether somebody else has what is to be changed, or was faster: `lock_not_available`, "tuple concurrently updated". */
function isHeldUp(error: unknown): error is pg.DatabaseError {
  const state = sqlState(error);
  return state === '55P03' || state === 'XX000';
}

function ignoreHeldUp(error: unknown): void {
  if (!isHeldUp(error)) throw error;
}

const SHORTLY = `SET LOCAL lock_timeout = ${HELD_UP_MS}`;

async function forbidLogin(client: pg.ClientBase, name: string): Promise<void> {
  await client.query(`${SHORTLY}; ALTER ROLE ${pg.escapeIdentifier(name)} WITH NOLOGIN`);
}

/** What others granted to the role by hand is not ours to revoke; it goes with the role. */
async function revokeMemberships(client: pg.ClientBase, name: string): Promise<void> {
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
  if (revokes.length > 0) await client.query([SHORTLY, ...revokes].join(';'));
}

interface Look {
  /** Sessions that there were; each has been told to end. */
  readonly sessions: number;
  /**
   * Backends that have been let in and are not known yet by their role: from there until they can be seen in
   * pg_stat_activity they hold a lock on the database that they connect to (InitPostgres).
   */
  readonly starting: readonly number[];
}

export async function lookAndTerminate(client: pg.ClientBase, name: string): Promise<Look> {
  const { rows } = await client.query<Look>(
    `SELECT (SELECT count(pg_terminate_backend(s.pid))::int FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid
             WHERE r.rolname = $1) AS sessions,
       ARRAY(SELECT l.pid FROM pg_locks l WHERE l.locktype = 'object' AND l.classid = 'pg_database'::regclass
             AND l.mode = 'RowExclusiveLock'
             AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.pid = l.pid AND s.usesysid IS NOT NULL)) AS starting`,
    [name],
  );
  return rows[0] ?? { sessions: 0, starting: [] };
}

/** "Not found" is no proof on a server that is not the one that the mint was made on. */
async function refuseAnotherServer(client: pg.ClientBase, handle: JsonObject): Promise<void> {
  const mintedOn = handle['server'];
  if (mintedOn === undefined || mintedOn === (await systemIdentifier(client))) return;
  throw new ProviderError('provider_refused', { nothingLives: false, facts: { finding: 'another_server' } });
}
