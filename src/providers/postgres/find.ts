import type { Clock } from '../../domain/clock.ts';
import type { Found, MintRecord } from '../provider.ts';
import { isTaken, sqlState } from './errors.ts';
import { roleOf } from './plan.ts';
import { readRole, systemIdentifier, tombstoneSql } from './role.ts';
import { IDLE_IN_TRANSACTION_MS, type Server } from './server.ts';

const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Whether the mint came to be. Where it did not, its name is taken by a role that cannot log in, so that a late CREATE
 * fails (CORRECTNESS, *Issue* 5). A mint whose transaction is still open makes that wait; then nobody knows, until the
 * server has ended the transaction.
 */
export async function findRole(server: Server, clock: Clock, mint: MintRecord, signal: AbortSignal): Promise<Found> {
  const name = roleOf(mint.mint);
  return server.run(signal, async (client) => {
    for (;;) {
      const role = await readRole(client, name);
      if (role?.tombstone) return { kind: 'absent' };
      if (role) return { kind: 'found', handle: { role: name, server: await systemIdentifier(client) } };
      try {
        await client.query(tombstoneSql(name));
        return { kind: 'absent' };
      } catch (error) {
        if (sqlState(error) === LOCK_NOT_AVAILABLE) {
          return { kind: 'unknowable', until: new Date(clock.now().getTime() + IDLE_IN_TRANSACTION_MS) };
        }
        if (!isTaken(error)) throw error; // otherwise somebody was faster: look again
      }
    }
  });
}
