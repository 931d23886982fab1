import type { Clock } from '../../domain/clock.ts';
import type { Health } from './check-server.ts';
import type { Answering } from './context.ts';

/** How long an address counts as a standby's, once one has answered there. */
const REMEMBERED_MS = 300_000;
/** Behind a balancer each answer may be another server's; none says whose it is. */
const ASKED = 3;

/** What the server says of itself, and what is kept of that. */
export interface Standing {
  health(signal: AbortSignal): Promise<Health>;
  /** Asked several times: of servers that take turns one that is a standby shows itself. */
  now(signal: AbortSignal): Promise<Answering>;
  /** Whether a standby has answered lately. */
  standbyLately(): boolean;
  /** As it was said last. */
  cluster(): string | undefined;
}

export function makeStanding(ask: (signal: AbortSignal) => Promise<Health>, clock: Clock): Standing {
  let cluster: string | undefined;
  let standbyUntil = 0;
  const nowMs = () => clock.now().getTime();
  const standbyLately = () => nowMs() < standbyUntil;

  async function health(signal: AbortSignal): Promise<Health> {
    const asked = await ask(signal);
    if (asked.serving) cluster = asked.cluster;
    if (asked.standby) standbyUntil = nowMs() + REMEMBERED_MS;
    return asked;
  }

  return {
    health,
    standbyLately,
    cluster: () => cluster,
    async now(signal) {
      let said = await health(signal);
      for (let asked = 1; asked < ASKED && !standbyLately(); asked++) said = await health(signal);
      return { cluster: said.cluster, standby: standbyLately() };
    },
  };
}
