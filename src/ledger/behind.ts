/**
 * Where a list of Prisma's goes on: at the row that ended the page before, which is asked for with the others. It may no longer belong to
 * the list, and then it is not there; `skip: 1` would pass over another one.
 */
export async function behind<Row extends { readonly id: string }>(
  after: string | undefined,
  limit: number,
  find: (from: { readonly cursor?: { readonly id: string }; readonly take: number }) => Promise<Row[]>,
): Promise<Row[]> {
  if (after === undefined) return find({ take: limit });
  const rows = await find({ cursor: { id: after }, take: limit + 1 });
  return rows.filter(({ id }) => id !== after).slice(0, limit);
}
