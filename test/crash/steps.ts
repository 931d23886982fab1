import type { MessageSpec } from '../support/pg-holds.ts';
import type { PgMessage } from '../support/pg-proxy.ts';
import type { World } from './world.ts';

/** A place on the way of a message: before which proxy, and the message. */
export interface Place extends MessageSpec {
  readonly at: 'ledgerProxy' | 'targetProxy';
}

/** The broker is about to have this executed: the statement stands before the server. */
export function asks(at: Place['at'], sql: string): Place {
  return { at, from: 'frontend', match: ({ type, sql: said }: PgMessage) => 'QB'.includes(type) && said.includes(sql) };
}

/** It is done, committed where it commits, and the answer stands before the broker. */
export function answers(at: Place['at'], sql: string): Place {
  return { at, from: 'backend', match: ({ type, sql: said }: PgMessage) => 'CD'.includes(type) && said.includes(sql) };
}

export const ledger = (sql: string) => [asks('ledgerProxy', sql), answers('ledgerProxy', sql)] as const;
export const target = (sql: string) => [asks('targetProxy', sql), answers('targetProxy', sql)] as const;

export function hold(world: World, { at, ...spec }: Place) {
  return world[at].hold(spec);
}

/** What became of a call: `answered`, or the code of its failure. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'answered',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
}
