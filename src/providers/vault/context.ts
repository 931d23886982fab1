import type { Clock } from '../../domain/clock.ts';
import type { Place } from './plan.ts';
import type { Server } from './server.ts';

/** Which server it is that answers. */
export interface Answering {
  readonly cluster: string | undefined;
  /** It may answer from what it has seen so far (OpenBao from 2.5 on, Vault's performance standbys): that lags behind what was done. */
  readonly standby: boolean;
}

/** What the verbs of this provider share. */
export interface Vault {
  readonly place: Place;
  readonly ask: Server;
  readonly clock: Clock;
  /** As `sys/health` says it now; a standby, where one has answered at this address lately. */
  readonly serverNow: (signal: AbortSignal) => Promise<Answering>;
  readonly standbyLately: () => boolean;
  /** The cluster's own id, as `sys/health` says it, or said lately. */
  readonly clusterLately: (signal: AbortSignal) => Promise<string | undefined>;
  /** The accessor of the mount `auth/token`, on which entities of grants have their alias. */
  readonly tokenMount: (signal: AbortSignal) => Promise<string>;
}
