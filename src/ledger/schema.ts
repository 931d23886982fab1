import pg from 'pg';

/** The migrations that a version works with: without the oldest it lacks something, the newest is the last that it ships. */
export interface SchemaRange {
  readonly oldest: string;
  readonly newest: string;
}

/** How a database's schema stands to a version's range. */
export interface SchemaFit {
  /** The newest migration; absent where there is no schema. */
  readonly newest?: string;
  /** Absent where the version works with it. */
  readonly unfit?: 'none' | 'older' | 'newer';
  /** Of a newer one, the first migration that does not say that it leaves this version working. */
  readonly because?: string;
}

/** The migrations that took place: what Prisma left unfinished or rolled back did not. */
export const APPLIED = `select migration_name as name, checksum from _prisma_migrations where finished_at is not null and rolled_back_at is null`;

const THERE = `select to_regclass('_prisma_migrations') is not null as book, to_regclass('works_with') is not null as words`;

type Ask = <Row extends pg.QueryResultRow>(name: string, sql: string) => Promise<Row[]>;

/**
 * A schema that goes beyond the range is worked with where every migration beyond it says so of this version in `works_with`: what a version
 * does not know it does not guess.
 */
export async function schemaFit(ask: Ask, { oldest, newest: known }: SchemaRange): Promise<SchemaFit> {
  const [there] = await ask<{ book: boolean; words: boolean }>('schema_there', THERE);
  const names = there?.book
    ? (await ask<{ name: string }>('schema_names', APPLIED)).map(({ name }) => name).sort()
    : [];
  const newest = names.at(-1);
  if (newest === undefined) return { unfit: 'none' };
  if (newest < oldest) return { newest, unfit: 'older' };
  const beyond = names.filter((name) => name > known);
  if (beyond.length === 0) return { newest };
  const words = there?.words
    ? await ask<{ migration: string; since: string }>('schema_words', 'select migration, since from works_with')
    : [];
  const since = new Map(words.map((word) => [word.migration, word.since]));
  const because = beyond.find((name) => (since.get(name) ?? name) > known);
  return because === undefined ? { newest } : { newest, unfit: 'newer', because };
}

/** The same of a database by its URL. @throws the database's error. */
export async function readSchema(url: string, range: SchemaRange): Promise<SchemaFit> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, application_name: 'writ' });
  await client.connect();
  try {
    return await schemaFit(
      async <Row extends pg.QueryResultRow>(_name: string, sql: string) => (await client.query<Row>(sql)).rows,
      range,
    );
  } finally {
    await client.end();
  }
}
