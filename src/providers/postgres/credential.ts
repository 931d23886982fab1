import type { JsonObject } from '../../domain/json.ts';
import type { Address } from './server.ts';

/** The credential as CONTRACT writes it; the URL says the same again for whatever takes one. */
export function credentialFor(address: Address, username: string, password: string): JsonObject {
  const { host, port, database, sslmode } = address;
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}/${encodeURIComponent(database)}`;
  const query = sslmode === undefined ? '' : `?sslmode=${encodeURIComponent(sslmode)}`;
  return {
    type: 'postgres',
    host,
    port,
    database,
    username,
    password,
    url: `postgresql://${username}:${password}@${place}${query}`,
  };
}
