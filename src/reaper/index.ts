import type { ExchangeContext } from '../exchange/context.ts';
import { LEASE_SECONDS } from '../exchange/settle.ts';
import type { Settle } from '../exchange/settle.ts';
import { startCleaner, startEnder } from './ender.ts';
import { startLoop } from './loop.ts';
import { startStrays } from './strays.ts';
import { startUpkeep } from './upkeep.ts';

const DUE_POLL_MS = 200;
const DUE_BATCH = 500;
const SWEEP_BATCH = 500;
const RULES_POLL_MS = 1_000;
/** Often, so that one that failed does not wait for long: it costs next to nothing when there is nothing to do. */
const HOUSEKEEPING_MS = 300_000;
const UNSERVED_POLL_MS = 5_000;
const UNSERVED_BATCH = 100;
/** Longer than a rolling restart leaves a provider without a process. */
const UNSERVED_AFTER_SECONDS = 60;

export interface Reaper {
  /** There may be something to do: an order was made, a grant revoked. */
  wake(): void;
  stop(): Promise<void>;
}

/**
 * Ends what is due, sweeps what orders cover, takes over what a dead process left, clears away. Any number of replicas run it at once,
 * with no leader: work is claimed by row locks and epochs. Each provider has its own ender, so that none waits for another.
 */
export function startReaper(
  context: Pick<ExchangeContext, 'ledger' | 'providers' | 'rules' | 'clock' | 'owner' | 'log'>,
  settle: Settle,
): Reaper {
  const { ledger, rules, log } = context;
  const failed = (what: string) => (error: unknown) =>
    log.warn({ code: (error as { code?: unknown }).code }, `${what} failed`);
  const providers = [...context.providers.values()];
  const enders = providers.map((provider) => startEnder(context, provider, settle));
  const wakeEnders = () => enders.forEach((ender) => ender.wake());

  const due = async () => {
    const moved = (await ledger.reaping.advanceDue(DUE_BATCH)) + (await ledger.tasks.advance(DUE_BATCH));
    const lapsed = await ledger.approvals.lapse(DUE_BATCH);
    if (moved > 0) wakeEnders();
    return Math.max(moved, lapsed) >= DUE_BATCH;
  };
  const sweep = async () => {
    let more = false;
    for (const order of await ledger.reaping.unsweptOrders()) {
      const { moved, done } = await ledger.reaping.sweep(order, SWEEP_BATCH);
      if (moved > 0) wakeEnders();
      more ||= moved > 0 && !done;
    }
    return more;
  };
  /** What nobody here can end fails, and is seen as `stuck`: another replica may have the provider, and is given time. */
  const unserved = async () => {
    const claims = await ledger.reaping.claimUnserved({
      providers: [...context.providers.keys()],
      overdue_seconds: UNSERVED_AFTER_SECONDS,
      owner: context.owner,
      limit: UNSERVED_BATCH,
      lease_seconds: LEASE_SECONDS,
    });
    await Promise.all(claims.map(settle));
    return claims.length >= UNSERVED_BATCH;
  };
  const follow = async () => {
    await rules.refresh();
    return false;
  };
  const housekeep = async () => {
    await ledger.reaping.housekeep();
    return false;
  };

  const sweeper = startLoop(DUE_POLL_MS, sweep, failed('sweeping orders'));
  const follower = startLoop(RULES_POLL_MS, follow, failed('following the rules'));
  const loops = [
    startLoop(DUE_POLL_MS, due, failed('expiring')),
    sweeper,
    follower,
    startLoop(HOUSEKEEPING_MS, housekeep, failed('housekeeping')),
    startLoop(UNSERVED_POLL_MS, unserved, failed('looking for ends that nobody serves')),
    ...providers.filter((provider) => provider.cleanup).map((provider) => startCleaner(context, provider)),
    ...providers.filter((provider) => provider.names).map((provider) => startStrays(context, provider)),
    ...providers.filter((provider) => provider.upkeep).map((provider) => startUpkeep(context, provider)),
    ...enders,
  ];
  return {
    wake() {
      sweeper.wake();
      follower.wake();
      wakeEnders();
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
