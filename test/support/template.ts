import { readdir, readFile } from 'node:fs/promises';
import { runSql, urlFor } from './sql.ts';

/** A migrated database that is cloned and never connected to. */
export const TEMPLATE = 'writ_template';

const MIGRATIONS = new URL('../../prisma/migrations/', import.meta.url);

export async function makeTemplate(server: string): Promise<void> {
  await runSql(server, `CREATE DATABASE ${TEMPLATE}`);
  const folders = (await readdir(MIGRATIONS, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = folders.map(({ name }) => name).sort();
  const scripts = await Promise.all(
    names.map((name) => readFile(new URL(`${name}/migration.sql`, MIGRATIONS), 'utf8')),
  );
  await runSql(urlFor(server, { database: TEMPLATE }), ...scripts);
  await runSql(server, `ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
}
