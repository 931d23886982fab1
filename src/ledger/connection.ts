import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { Fault, Refusal } from '../domain/errors.ts';
import type { RefusalCode } from '../domain/errors.ts';
import { PrismaClient } from '../generated/client.ts';

/** One pool, shared by the prepared calls on the hot path and by Prisma for everything else. */
export interface Connection {
  /**
   * Calls a function of the migrations by its SQL; named, so that it is planned once on each connection.
   * @throws Fault `ledger_unavailable`; Refusal `invalid_request` for text that cannot be kept; LedgerConflict.
   */
  call<Row>(name: string, sql: string, values: readonly unknown[]): Promise<Row[]>;
  /** Calls a transition of the migrations: one jsonb in, its answer out, one commit. */
  transition<Answer>(name: string, argument: object): Promise<Answer>;
  /** Reads and plain rows through Prisma. Whatever goes wrong is a `ledger_unavailable`. */
  prisma<T>(work: (client: PrismaClient) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly poolSize?: number;
  /** How long a statement may take before the ledger counts as away. */
  readonly timeoutMs?: number;
  /** Told of connections that broke while idle; they are replaced by themselves. */
  readonly onIdleError?: (error: Error) => void;
}

const DEFAULT_POOL_SIZE = 12;
const DEFAULT_TIMEOUT_MS = 5_000;
/**
 * A new connection is a new process of the server, in which every function is planned anew: those of the last burst are kept for the next one.
 * Shorter than the 350 s after which load balancers of clouds forget a silent connection.
 */
const IDLE_MS = 300_000;
/** One whose other side went without a word is found out while it is idle, and not by who needs it: the system's own beginning is two hours. */
const KEEP_ALIVE_MS = 30_000;

/**
 * A statement whose execution has arrived and whose commit has not, because the network was cut in between, falls under
 * no other limit: it would keep its locks, and every order waiting for them, until the server gave the connection up.
 * For a new connection, where the server has the setting (PostgreSQL 17); longer than a statement's own limit, which it
 * would replace otherwise.
 */
const BOUND_TRANSACTIONS = `select set_config(name, $1, false) from pg_settings where name = 'transaction_timeout'`;

export function connect(options: ConnectionOptions): Connection {
  const timeout = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize ?? DEFAULT_POOL_SIZE,
    connectionTimeoutMillis: timeout,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: timeout,
    statement_timeout: timeout,
    idle_in_transaction_session_timeout: timeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    application_name: 'writ',
    verify: (client, done) => {
      client.query(BOUND_TRANSACTIONS, [`${timeout + 1_000}ms`]).then(() => done(), done);
    },
  });
  pool.on('error', (error) => options.onIdleError?.(error));
  // While a connection is in use the pool does not listen; the query that it is used for fails as well.
  pool.on('connect', (client) => client.on('error', ignore));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  const call = async <Row>(name: string, sql: string, values: readonly unknown[]) => {
    try {
      const result = await pool.query({ name, text: sql, values: [...values] });
      return result.rows as Row[];
    } catch (error) {
      throw ledgerFault(error);
    }
  };
  return {
    call,
    async transition<Answer>(name: string, argument: object) {
      const rows = await call<{ answer: Answer }>(name, `select ${name}($1) as answer`, [JSON.stringify(argument)]);
      if (!rows[0]) throw new Fault('ledger_unavailable');
      return rows[0].answer;
    },
    async prisma(work) {
      try {
        return await work(prisma);
      } catch (error) {
        throw ledgerFault(error);
      }
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/** A function's answer that says no, in the caller's words. */
export class LedgerConflict extends Error {
  readonly sqlState: string;
  constructor(sqlState: string, options: ErrorOptions) {
    super('the ledger refused', options);
    this.name = 'LedgerConflict';
    this.sqlState = sqlState;
  }
}

/** What Postgres cannot keep as text: U+0000, and half of a surrogate pair. */
const UNSTORABLE: ReadonlySet<unknown> = new Set(['22021', '22P02', '22P05']);

/** What the functions raise, and undo everything with: refusals of every transition that comes across them. */
const RAISED: Readonly<Record<string, RefusalCode>> = { WR410: 'exception_closed', WR429: 'too_many_approvals' };

function ledgerFault(error: unknown): Error {
  const code = (error as { code?: unknown } | null)?.code;
  const raised = typeof code === 'string' ? RAISED[code] : undefined;
  if (raised !== undefined) return new Refusal(raised);
  if (typeof code === 'string' && (code.startsWith('WR') || code.startsWith('23')))
    return new LedgerConflict(code, { cause: error });
  if (UNSTORABLE.has(code)) {
    const errors = [{ path: '', problem: 'a character that cannot be kept' }];
    return new Refusal('invalid_request', { errors }, { cause: error });
  }
  return new Fault('ledger_unavailable', { cause: error });
}

function ignore(): void {}
