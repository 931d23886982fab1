import { generateKeyPairSync, sign } from 'node:crypto';
import type pg from 'pg';
import { makeCheckpointer } from '../../src/audit/checkpointer.ts';
import { makeNoteKey } from '../../src/audit/note.ts';
import { makeSealer } from '../../src/audit/sealer.ts';
import type { Actor } from '../../src/domain/identity.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { ids, OPERATOR } from '../ledger/world.ts';

/** A month that is over, in which things can be made to have happened. */
export const MONTH = '2026-03';
const NOON = '2026-03-15 12:00+00';

export async function makeMonth(owner: pg.Pool, month = MONTH): Promise<void> {
  const [year = 0, number = 1] = month.split('-').map(Number);
  const [from, to] = [new Date(Date.UTC(year, number - 1)), new Date(Date.UTC(year, number))];
  const part = `events_${month.replace('-', '')}`;
  await owner.query(`create table ${part} (like events including defaults including constraints);
    alter table events attach partition ${part} for values from ('${from.toISOString()}') to ('${to.toISOString()}')`);
}

/** The columns that events are near to. What is said of later times stays. */
const MOVED: Readonly<Record<string, readonly string[]>> = {
  decisions: ['at'],
  tasks: ['created_at', 'ended_at', 'swept_at'],
  grants: ['opened_at', 'issued_at', 'ending_at', 'closed_at'],
  mints: ['opened_at', 'activated_at', 'ended_at'],
  orders: ['created_at', 'swept_at', 'lift_requested_at', 'lifted_at'],
  approvals: ['created_at', 'consumed_at', 'closed_at'],
  approval_answers: ['at'],
  approval_notices: ['created_at', 'closed_at'],
  call_outcomes: ['at'],
  exceptions: ['created_at', 'answered_at', 'ended_at', 'reviewed_at'],
  generations: ['activated_at'],
};

/** Everything that is not sealed yet has happened in that month, row and event alike. As a superuser can. */
export async function moveIntoThePast(owner: pg.Pool): Promise<void> {
  const client = await owner.connect();
  try {
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    for (const [table, columns] of Object.entries(MOVED)) {
      const sets = columns.map((column) => `${column} = ${column} - (now() - '${NOON}'::timestamptz)`);
      await client.query(`update ${table} set ${sets.join(', ')}`);
    }
    await client.query(`update events set at = at - (now() - '${NOON}'::timestamptz),
      body = replace(body, '"at":"' || utc_text(at) || '"', '"at":"' || utc_text(at - (now() - '${NOON}'::timestamptz)) || '"')`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** Seals and signs what there is, with a key of its own. */
export function makeSigned(ledger: Ledger, origin: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = makeNoteKey(origin, Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
  const seal = makeSealer(ledger.sealing);
  const signer = { key: async () => key, sign: async (text: Uint8Array) => sign(null, text, privateKey) };
  const checkpointer = makeCheckpointer(ledger.sealing, signer, origin);
  return {
    key,
    async seal(): Promise<void> {
      for (;;) {
        const step = await seal(true);
        if (!step.more) return checkpointer.sign(step.head);
      }
    },
  };
}

/** That a month be put away, as the broker writes it down. */
export async function askFor(
  ledger: Ledger,
  { month = MONTH, forced = false, actor = OPERATOR }: { month?: string; forced?: boolean; actor?: Actor } = {},
): Promise<string> {
  const id = ids.archive();
  await ledger.archives.request({ id, month, reason: 'twelve months', forced, actor, origin: '192.0.2.7' });
  return id;
}
