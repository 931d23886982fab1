import { readFile } from 'node:fs/promises';
import { parsePrismaSchema } from './prisma-schema.ts';
import type { Table } from './prisma-schema.ts';
import { makeDatabase } from '../support/database.ts';

/** `prisma/schema.prisma` says of the migrated database what is there: no more, no less, and nothing otherwise. */
const schema = parsePrismaSchema(await readFile(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8'));
const migrated = await tables();

async function tables(): Promise<Table[]> {
  const database = await makeDatabase();
  try {
    const read = (of: string) =>
      `(select coalesce(array_agg(line order by line collate "C"), '{}') from (${of}) as lines (line))`;
    const { rows } = await database.pool.query<Table>(`select relname as name,
      ${read(`select attname || ' ' || format_type(atttypid, null) || case when attnotnull then '' else ' null' end
        || coalesce(' default ' || pg_get_expr(adbin, adrelid), '') from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = t.oid and attnum > 0 and not attisdropped`)} as columns,
      (select array_agg(attname::text order by n) from pg_index, unnest(indkey) with ordinality as key (num, n), pg_attribute a
        where indrelid = t.oid and indisprimary and a.attrelid = t.oid and a.attnum = key.num) as "primaryKey",
      ${read(`select regexp_replace(pg_get_constraintdef(oid), 'FOREIGN KEY (.*) REFERENCES (\\w+)', '\\1 -> \\2 ') from pg_constraint
        where conrelid = t.oid and contype = 'f'`)} as references,
      ${read(`select relname || ' ' || substring(pg_get_indexdef(indexrelid) from '\\(.*') from pg_index join pg_class on pg_class.oid = indexrelid
        where indrelid = t.oid and not indisprimary and indpred is null`)} as indexes
      from pg_class t where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace and relname <> '_prisma_migrations'`);
    return rows.sort(byName);
  } finally {
    await database.drop();
  }
}

function byName(one: { name: string }, other: { name: string }): number {
  return one.name < other.name ? -1 : 1;
}

test('the same tables', () => {
  expect(schema.map(({ name }) => name).sort()).toEqual(migrated.map(({ name }) => name));
});

describe.each(migrated)('$name', ({ name, ...there }) => {
  const declared = schema.find((table) => table.name === name);

  test.each(['columns', 'references', 'indexes'] as const)('%s', (what) => {
    expect([...(declared?.[what] ?? [])].sort()).toEqual([...there[what]].sort());
  });

  test('primary key', () => {
    expect(declared?.primaryKey).toEqual(there.primaryKey);
  });
});

test('what this parser cannot read it refuses', () => {
  expect(() => parsePrismaSchema('model A {\n  id String @id\n  what?\n}')).toThrow('model A');
  expect(() => parsePrismaSchema('model A {\n  id Float @id\n}')).toThrow('Float');
});
