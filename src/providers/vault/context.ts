import type { Clock } from '../../domain/clock.ts';
import type { Place } from './plan.ts';
import type { Server } from './server.ts';

/** What the verbs of this provider share. */
export interface Vault {
  readonly place: Place;
  readonly ask: Server;
  readonly clock: Clock;
  /** The cluster's own id, as `sys/health` says it now, or said lately. */
  readonly clusterNow: (signal: AbortSignal) => Promise<string | undefined>;
  readonly clusterLately: (signal: AbortSignal) => Promise<string | undefined>;
  /** The accessor of the mount `auth/token`, on which entities of grants have their alias. */
  readonly tokenMount: (signal: AbortSignal) => Promise<string>;
}
