import type { Actor } from '../domain/identity.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Prisma } from '../generated/client.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';

export interface GenerationRow {
  readonly number: number;
  readonly hash: string;
  /** The canonical text of the rules. */
  readonly body: string;
}

/** A generation with its text. */
export type GenerationView = Prisma.GenerationGetPayload<{ include: { text: true } }>;

export function makeGenerations(connection: Connection) {
  return {
    /** The number of the generation that decides now, or undefined in an empty ledger. */
    async activeNumber(): Promise<number | undefined> {
      const rows = await connection.call<{ number: string | null }>(
        'active_generation',
        'select active_generation() as number',
        [],
      );
      const number = rows[0]?.number ?? null;
      return number === null ? undefined : Number(number);
    },

    async active(): Promise<GenerationRow | undefined> {
      const sql =
        'select number, hash, body from generations join rule_texts using (hash) order by number desc limit 1';
      const rows = await connection.call<{ number: string; hash: string; body: string }>('active_rules', sql, []);
      const row = rows[0];
      return row && { number: Number(row.number), hash: row.hash, body: row.body };
    },

    /** By its number, or the last one with this hash; without either, the active one. */
    find: (which: { readonly number?: number; readonly hash?: string }): Promise<GenerationView | null> =>
      connection.prisma((client) =>
        client.generation.findFirst({ where: which, include: { text: true }, orderBy: { number: 'desc' } }),
      ),

    /** @throws Fault `generation_behind` when another generation came before this one. */
    async activate(activation: {
      readonly hash: string;
      readonly body: string;
      readonly author: Actor;
      readonly difference: JsonObject;
      readonly base: number | null;
      readonly origin: string | null;
    }): Promise<{ number: number; activatedAt: Date; unchanged: boolean }> {
      type Activated = Answer & { number: number; activated_at: string; unchanged: boolean };
      const answer = admit(await connection.transition<Activated>('activate_generation', activation));
      return { number: answer.number, activatedAt: new Date(answer.activated_at), unchanged: answer.unchanged };
    },
  };
}
