import { WritError } from '../../src/client/index.ts';
import type { MessageSpec } from '../support/pg-holds.ts';
import type { PgMessage } from '../support/pg-proxy.ts';
import { until } from '../support/waiting.ts';
import type { World } from './world.ts';

/** A place on the way of a message: before which proxy, and the message. */
export interface Place extends MessageSpec {
  readonly at: 'ledgerProxy' | 'targetProxy';
}

/** The broker is about to have this executed: the first message of the statement stands before the server. */
export function asks(at: Place['at'], sql: string): Place {
  return {
    at,
    from: 'frontend',
    match: ({ type, sql: said }: PgMessage) => 'QPB'.includes(type) && said.includes(sql),
  };
}

/** It is done, committed where it commits, and the answer stands before the broker. */
export function answers(at: Place['at'], sql: string): Place {
  return { at, from: 'backend', match: ({ type, sql: said }: PgMessage) => 'CD'.includes(type) && said.includes(sql) };
}

/** It is executed, its commit (the Sync that follows) stands before the server: its locks are held, others see nothing. */
export function commits(at: Place['at'], sql: string): Place {
  let connection: number | undefined;
  return {
    at,
    from: 'frontend',
    match: (message) => {
      if (message.type === 'E' && message.sql.includes(sql)) connection = message.connection;
      return message.type === 'S' && message.connection === connection;
    },
  };
}

/** Comes back when what `commits` holds has been executed: its last message passed the proxy just before, and the server may be slow. */
export async function executed(world: World, sql: string): Promise<void> {
  const waiting = `select pid::text from pg_stat_activity where datname = current_database() and state = 'active' and wait_event = 'ClientRead'
    and strpos(query, '${sql}') > 0`;
  await until(async () => (await world.select(waiting)).length > 0);
}

/** Each commit and each call of the provider on the way of an issuance, before and after. */
export const ISSUE_PLACES = [
  { step: 'before the intent is committed', place: asks('ledgerProxy', 'open_grant') },
  { step: 'after the intent is committed', place: answers('ledgerProxy', 'open_grant') },
  { step: 'before the login is made', place: asks('targetProxy', 'CREATE ROLE') },
  { step: 'after the login is made', place: answers('targetProxy', 'CREATE ROLE') },
  { step: 'before the login is committed', place: asks('targetProxy', 'COMMIT') },
  { step: 'after the login is committed', place: answers('targetProxy', 'COMMIT') },
  { step: 'before the issuance is committed', place: asks('ledgerProxy', 'activate_mint') },
  { step: 'after the issuance is committed', place: answers('ledgerProxy', 'activate_mint') },
] as const satisfies readonly { step: string; place: Place }[];

/** The same of a revocation. */
export const REVOKE_PLACES = [
  { step: 'before the revocation is committed', place: asks('ledgerProxy', 'end_grant') },
  { step: 'after the revocation is committed', place: answers('ledgerProxy', 'end_grant') },
  { step: 'before the login is taken away', place: asks('targetProxy', 'NOLOGIN') },
  { step: 'after the login is taken away', place: answers('targetProxy', 'NOLOGIN') },
  { step: 'before its roles are taken away', place: asks('targetProxy', 'REVOKE') },
  { step: 'after its roles are taken away', place: answers('targetProxy', 'REVOKE') },
  { step: 'before its sessions are ended', place: asks('targetProxy', 'pg_terminate_backend') },
  { step: 'after its sessions are ended', place: answers('targetProxy', 'pg_terminate_backend') },
  { step: 'before its end is committed', place: asks('ledgerProxy', 'close_mint') },
  { step: 'after its end is committed', place: answers('ledgerProxy', 'close_mint') },
] as const satisfies readonly { step: string; place: Place }[];

export function hold(world: World, { at, ...spec }: Place) {
  return world[at].hold(spec);
}

/** What became of a call: `answered`, or the status (0: no answer) and the code of its failure. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'answered';
  } catch (error) {
    if (error instanceof WritError) return `${error.status} ${error.code}`;
    throw error;
  }
}
