import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLedgerDatabase, makeTargetDatabase } from '../../src/dev/databases.ts';
import { openDevIssuer } from '../../src/dev/issuer.ts';
import { prepareBinaries } from '../../src/dev/postgres-binaries.ts';
import { startPostgres } from '../../src/dev/postgres-server.ts';
import { serverUser } from '../../src/dev/server-user.ts';
import { makeReachable, temporaryDirectories } from '../../src/dev/state-directory.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { migrationsDirectory } from '../../src/migrations.ts';
import { runSql, urlFor } from '../support/sql.ts';

/** Two servers as the embedded default has them, commits waiting for the disk, and a directory for what the run needs. */
export async function startBench() {
  const user = await serverUser();
  const directory = await makeReachable('writ-bench-', user, temporaryDirectories());
  const state = await mkdtemp(join(tmpdir(), 'writ-bench-state-'));
  const binaries = await prepareBinaries(directory, user);
  const settings = { max_connections: '200' };
  const start = (name: string) => startPostgres({ name, directory, binaries, user, durable: true, settings });
  const [ledger, target] = await Promise.all([start('ledger'), start('target')]);
  const ledgerUrl = (await makeLedgerDatabase(ledger.url)).reveal();
  await migrate(ledgerUrl, migrationsDirectory);
  const targetUrl = (await makeTargetDatabase(target.url, state)).reveal();
  return {
    state,
    ledgerUrl,
    /** The same database, as the server's superuser. */
    ledgerOwnerUrl: urlFor(ledger.url.reveal(), { database: new URL(ledgerUrl).pathname.slice(1) }),
    targetUrl,
    issuer: await openDevIssuer(state),
    kek: randomBytes(32).toString('base64'),
    /** One more ledger, on the same server. */
    async makeLedger(name: string): Promise<string> {
      const url = new URL(ledgerUrl);
      await runSql(ledgerUrl, `CREATE DATABASE ${name}`);
      url.pathname = `/${name}`;
      await migrate(url.href, migrationsDirectory);
      return url.href;
    },
    /** What each commit takes longer, as on a database with a synchronous standby: inside the server, before the flush. */
    async delayCommits(ms: number) {
      const url = ledger.url.reveal();
      await runSql(
        url,
        `ALTER SYSTEM SET commit_delay = ${ms * 1000}`,
        'ALTER SYSTEM SET commit_siblings = 0',
        'SELECT pg_reload_conf()',
      );
    },
    async stop() {
      await Promise.all([ledger.stop(), target.stop()]);
      await Promise.all([directory, state].map((path) => rm(path, { recursive: true, force: true })));
    },
  };
}
export type Bench = Awaited<ReturnType<typeof startBench>>;

/** What one of several brokers of a run has of its own. */
export interface Own {
  /** Of its configuration, below the run's. */
  readonly name: string;
  readonly ledgerUrl: string;
  readonly audit?: JsonObject;
  /** Beside those of the run, or in their place. */
  readonly providers?: JsonObject;
}

/** The configuration of the run: the sample's rules, the limits out of the way. Answers its directory. */
export async function writeConfig(bench: Bench, rules: string, own?: Own): Promise<string> {
  const { bundleFile, operatorsFile } = bench.issuer;
  const directory = own ? join(bench.state, own.name) : bench.state;
  const yaml = {
    server: { port: 0 },
    database: { url: own?.ledgerUrl ?? bench.ledgerUrl },
    ...(own?.audit ? { audit: own.audit } : {}),
    identity: {
      audience: 'writ-bench',
      trust: [
        { name: 'dev', kind: 'spiffe', trust_domain: 'dev.local', bundle: { file: bundleFile }, vouches_for: '1h' },
      ],
    },
    operators: {
      trust: [
        {
          issuer: 'https://operators.dev.local',
          audience: 'writ-operators',
          jwks: { file: operatorsFile },
          algorithms: ['ES256'],
          roles: { platform: { subjects: ['platform@dev.local'] }, auditor: { subjects: ['auditor@dev.local'] } },
        },
      ],
    },
    providers: {
      'orders-db': { kind: 'postgres', url: bench.targetUrl },
      tools: { kind: 'jwt' },
      'aws-main': { kind: 'aws', when: '' },
      'vault-main': { kind: 'vault', when: '' },
      ...own?.providers,
    },
    clients: {
      'orders-gateway': {
        trust: 'dev',
        id: 'spiffe://dev.local/gateway',
        may: ['introspect'],
        audiences: ['https://tools.example'],
      },
    },
    keys: { encryption: [{ id: 'bench', key: bench.kek }] },
    limits: { workload_burst: 1_000_000, workload_per_second: 1_000_000, live_grants: 1_000_000 },
    rules,
  };
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'writ.yaml'), JSON.stringify(yaml));
  return directory;
}
