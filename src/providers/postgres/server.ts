import pg from 'pg';
import type { Secret } from '../../domain/secret.ts';
import { asProviderError } from './errors.ts';
import { within } from '../within.ts';

/** How long a connection may take to come, from the pool or new, and then the work on it. Milliseconds. */
const CONNECT_MS = 3_000;
const WORK_MS = 6_000;

/**
 * The server's own bounds, so that what a stopped broker left open dies by itself, and soon: the idle transaction first,
 * then whoever waits for its locks, then the statement.
 */
export const IDLE_IN_TRANSACTION_MS = 2_000;
const LOCK_MS = 3_000;
const STATEMENT_MS = 5_000;

/**
 * `search_path`: the administrator inherits what issued logins own, and those may create functions and operators in a
 * schema that is on the ordinary path; nothing of theirs may be called by its name from here.
 */
const OPTIONS = [
  'search_path=pg_catalog,pg_temp',
  `idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_MS}`,
  `lock_timeout=${LOCK_MS}`,
  `statement_timeout=${STATEMENT_MS}`,
]
  .map((option) => `-c ${option}`)
  .join(' ');

export type Work<T> = (client: pg.ClientBase) => Promise<T>;

/** The administrator's way to one server: few connections, each step bounded, every failure a `ProviderError`. */
export interface Server {
  readonly address: Address;
  /** Works on a connection to the configured database; a connection that met an error is not used again. @throws ProviderError. */
  run<T>(signal: AbortSignal, work: Work<T>): Promise<T>;
  /** The same on a connection of its own: to another database of the server, or as another login. */
  runAs<T>(who: Other, signal: AbortSignal, work: Work<T>): Promise<T>;
  close(): Promise<void>;
}

export interface Other {
  readonly database?: string;
  readonly login?: { readonly user: string; readonly password: string };
}

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslmode?: string;
}

export function makeServer(secretUrl: Secret<string>, poolSize: number): Server {
  const url = secretUrl.reveal();
  const address = addressOf(url);
  const settings = {
    connectionString: url,
    ssl: false, // unless the URL says otherwise
    options: OPTIONS,
    application_name: 'writ',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS + 500, // after our own, which knows what it is
  };
  const pool = new pg.Pool({ ...settings, max: poolSize, idleTimeoutMillis: 60_000 });
  pool.on('error', ignore); // an idle connection died; the pool has dropped it already
  // From its first moment: a server that dies may say so in the same packet that hands the connection over, when the pool
  // does not listen any more and its taker not yet. What was asked on it fails as well, and that is where it is handled.
  pool.on('connect', (client) => client.on('error', ignore));

  return {
    address,
    async run(signal, work) {
      const client = await connected(pool.connect(), signal, (late) => late.release());
      try {
        const result = await within(WORK_MS, signal, work(client));
        client.release();
        return result;
      } catch (error) {
        client.release(true);
        throw asProviderError(error);
      }
    },
    async runAs(who, signal, work) {
      const client = new pg.Client({ ...settings, connectionString: urlFor(url, who) });
      client.on('error', ignore);
      try {
        await connected(client.connect(), signal);
        return await within(WORK_MS, signal, work(client));
      } catch (error) {
        throw asProviderError(error);
      } finally {
        void client.end().catch(ignore);
      }
    },
    close: () => pool.end(),
  };
}

async function connected<T>(connecting: Promise<T>, signal: AbortSignal, late?: (client: T) => void): Promise<T> {
  try {
    return await within(CONNECT_MS, signal, connecting, late);
  } catch (error) {
    throw asProviderError(error);
  }
}

function addressOf(text: string): Address {
  const url = new URL(text);
  const sslmode = url.searchParams.get('sslmode');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || 5432),
    database: decodeURIComponent(url.pathname.slice(1)),
    ...(sslmode === null ? {} : { sslmode }),
  };
}

function urlFor(text: string, { database, login }: Other): string {
  const url = new URL(text);
  if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
  if (login) {
    url.username = encodeURIComponent(login.user);
    url.password = encodeURIComponent(login.password);
  }
  return url.href;
}

function ignore(): void {}
