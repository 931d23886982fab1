import pg from 'pg';

/** @throws Error where no server is named. */
export function serverOf(url: string | undefined): string {
  if (url === undefined || url === '') throw new Error('DATABASE_URL names the server');
  return url;
}

/** Databases that PUBLIC may connect to: on somebody else's server they are accepted by name. */
export async function openDatabases(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT datname::text AS name FROM pg_database d WHERE datallowconn AND EXISTS (
         SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT')`,
    );
    return rows.map(({ name }) => name);
  } finally {
    await client.end();
  }
}
