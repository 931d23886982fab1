import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Secret } from '../domain/secret.ts';
import { EmbeddedError } from './embedded-error.ts';
import { openCluster, sweepDrafts, type Cluster } from './postgres-cluster.ts';
import { HOST, lastComplaint, launch, type Launch, type Launched } from './postgres-launch.ts';
import { connect, superuserUrl, takeOwnership } from './postgres-owner.ts';
import { disownPidFile, findPostmaster, signalPostmaster, stopPostmaster } from './postmaster.ts';

export interface PostgresOptions extends Launch {
  /** Of the server, and of its folder under `directory`. */
  readonly name: string;
  /** An existing folder that `user` can reach; see `openStateDirectory`. */
  readonly directory: string;
}

export interface PostgresServer {
  /** Of the superuser, with its password, for the database `postgres`. */
  readonly url: Secret<string>;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Whether it was running already, left by a process that was killed. It keeps the settings that it was started with. */
  readonly adopted: boolean;
  /** Ends the server and waits until it has ended. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const START_MS = 60_000; // recovery after a crash included
const POLL_MS = 20;
const LAUNCHES = 3; // a port that was free may be taken before the server listens
const DRAFT_LIFE_MS = 600_000;

/**
 * A PostgreSQL server of our own, ready for queries; made, started or adopted, whichever it takes. It outlives a SIGKILL
 * of this process. While this process lives it alone is served: a second one that starts the same server gets `in_use`.
 * Throws `did_not_start`, `did_not_stop`, `in_use`.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  await sweepDrafts(options.directory, DRAFT_LIFE_MS, Date.now());
  const cluster = await openCluster(options);
  const { client, pid, port, adopted } = await startOrAdopt(cluster, options);
  await writeFile(join(cluster.home, 'port'), String(port), { mode: 0o600 });
  return {
    url: superuserUrl(cluster, port),
    host: HOST,
    port,
    pid,
    adopted,
    stop: async () => {
      await stopPostmaster(cluster.data, pid);
      await client.end();
    },
    kill: (signal) => {
      signalPostmaster(pid, signal);
    },
  };
}

interface Running {
  readonly client: Client;
  readonly pid: number;
  readonly port: number;
  readonly adopted: boolean;
}

/** One loop for all cases, since another process may start, stop or kill the same server between any two of its lines. */
async function startOrAdopt(cluster: Cluster, options: PostgresOptions): Promise<Running> {
  const launches: Launched[] = [];
  let cause: unknown;
  for (const start = performance.now(); performance.now() - start < START_MS;) {
    await sleep(POLL_MS);
    const found = await findPostmaster(cluster.data, options.binaries.postgres);
    if (found && found.port > 0) {
      const url = superuserUrl(cluster, found.port);
      const client = await connect(url, options.name).catch((error: unknown) => {
        cause = error; // it is starting, or stopping
        return undefined;
      });
      if (!client) continue;
      await takeOwnership(client, options.name);
      const adopted = launches.every(({ pid }) => pid !== found.pid);
      if (found.current) return { client, pid: found.pid, port: found.port, adopted };
      await stopPostmaster(cluster.data, found.pid); // its binaries are those of before an update
    } else if (!found && launches.every((launched) => launched.exited())) {
      if (launches.length === LAUNCHES) break;
      await disownPidFile(cluster.data);
      launches.push(await launch(cluster, options));
    }
  }
  const living = launches.filter((launched) => !launched.exited());
  for (const { pid } of living) signalPostmaster(pid, 'SIGQUIT');
  const complaint = await lastComplaint(cluster);
  const message = `the embedded PostgreSQL server "${options.name}" does not start; its log is ${cluster.log}. ${complaint}`;
  throw new EmbeddedError('did_not_start', message, { cause });
}
