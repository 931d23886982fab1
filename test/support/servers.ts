import { startPostgres, type PostgresOptions, type PostgresServer } from '../../src/dev/postgres-server.ts';
import { prepareBinaries } from '../../src/dev/postgres-binaries.ts';
import { serverUser } from '../../src/dev/server-user.ts';
import { randomName } from './names.ts';

/** The servers of a test run; each is a cluster of its own, because roles belong to a whole cluster. */
export interface TestServers {
  /** The run's folder, which the servers' user can reach; what is in it goes away with the run, servers included. */
  readonly directory: string;
  /** Superuser's URL of the server with `writ_template` and what is cloned from it. */
  readonly ledger: string;
  /** The same server's URL for a login that has the broker's rights. */
  readonly broker: string;
  /** Superuser's URL of the server that logins are issued for. */
  readonly target: string;
}

/** A server that ledgers lie on: its superuser's URL, and that of a login with the broker's rights. */
export type LedgerServer = Pick<TestServers, 'ledger' | 'broker'>;

/** The servers that jest's global setup has started. */
export function testServers(): TestServers {
  const text = process.env['WRIT_TEST_SERVERS'];
  if (!text) throw new Error('the test servers are not there: global-setup.js starts them');
  return JSON.parse(text) as TestServers;
}

/** A server for one test alone, which may stop or kill it. It ends with the run at the latest. */
export async function startOwnServer(options: Partial<PostgresOptions> = {}): Promise<PostgresServer> {
  const { directory } = testServers();
  const user = await serverUser();
  const binaries = await prepareBinaries(directory, user);
  return startPostgres({ name: randomName('server'), directory, binaries, user, durable: false, ...options });
}
