import { z } from 'zod';
import { parseId } from '../domain/ids.ts';

/**
 * How a query asks for a page of a list, newest or oldest first, that goes on behind an id: where that one stands, since rows of such a
 * list are never deleted (the broker's login may not). Dead letters are, and have a cursor that holds their place.
 */
export const pageOf = (kind: Parameters<typeof parseId>[0]) => ({
  /** The page before's `next_cursor`: the last on it. */
  cursor: z
    .string()
    .refine((text) => parseId(kind, text) !== undefined, 'is not a cursor of this list')
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

/** @param found - one more than fits on the page was asked for: where it is there, so is another page. */
export function toPage<Row extends { readonly id: string }>(found: readonly Row[], limit: number) {
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const next: { readonly next_cursor?: string } = found.length > limit && last ? { next_cursor: last.id } : {};
  return { rows, next };
}
