import type { Actor } from '../domain/identity.ts';
import type { HoldId } from '../domain/ids.ts';
import type { Prisma } from '../generated/client.ts';
import { behind } from './behind.ts';
import type { Connection } from './connection.ts';
import { admit } from './issuing.ts';
import type { Answer } from './issuing.ts';

export type HoldRow = Prisma.LegalHoldGetPayload<object>;

/** Legal holds: while one stands, no month that it covers is put away. */
export function makeHolds(connection: Connection) {
  return {
    async place(hold: {
      readonly id: HoldId;
      readonly reason: string;
      readonly from: string | null;
      readonly to: string | null;
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<void> {
      await connection.transition('place_hold', hold);
    },

    /** @throws Refusal `not_found`, `already_lifted`. */
    async lift(lift: {
      readonly id: HoldId;
      readonly reason: string;
      readonly actor: Actor;
      readonly origin: string | null;
    }): Promise<void> {
      admit(await connection.transition<Answer>('lift_hold', lift));
    },

    find: (id: HoldId): Promise<HoldRow | null> =>
      connection.prisma((client) => client.legalHold.findUnique({ where: { id } })),

    /** Newest first, from behind the hold `after`. */
    list: (limit: number, after?: string): Promise<HoldRow[]> =>
      connection.prisma((client) =>
        behind(after, limit, (page) =>
          client.legalHold.findMany({
            orderBy: [{ placedAt: 'desc' }, { id: 'asc' }],
            ...page,
          }),
        ),
      ),
  };
}
