import type { ExchangeContext } from '../exchange/context.ts';
import { LEASE_SECONDS } from '../exchange/settle.ts';
import type { Settle } from '../exchange/settle.ts';
import type { Provider } from '../providers/provider.ts';
import { startCleaner, startEnder } from './ender.ts';
import { startLoop, startWoken } from './loop.ts';
import type { Loop } from './loop.ts';
import { startStrays } from './strays.ts';
import { startUpkeep } from './upkeep.ts';

const LOOK_MS = 200;
const LAPSE_MS = 1_000;
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
  const named = (some: readonly Provider[], start: (provider: Provider) => Loop) =>
    new Map(some.map((provider) => [provider.name, start(provider)]));
  const enders = named(providers, (provider) => startEnder(context, provider, settle));
  const cleaners = named(
    providers.filter((provider) => provider.cleanup),
    (provider) => startCleaner(context, provider),
  );
  const wakeEnders = () => enders.forEach((ender) => ender.wake());

  const advance = async () => {
    const moved = (await ledger.reaping.advanceDue(DUE_BATCH)) + (await ledger.tasks.advance(DUE_BATCH));
    if (moved > 0) wakeEnders();
    return moved >= DUE_BATCH;
  };
  const lapse = async () => (await ledger.approvals.lapse(DUE_BATCH)) >= DUE_BATCH;
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

  const sweeper = startWoken(sweep, failed('sweeping orders'));
  const advancer = startWoken(advance, failed('expiring'));
  /** Looks for all of them, in one call: an idle process costs its ledger next to nothing. */
  const look = async () => {
    const due = await ledger.reaping.due([...enders.keys()]);
    if (due.ends) advancer.wake();
    if (due.orders) sweeper.wake();
    for (const name of due.toEnd) enders.get(name)?.wake();
    for (const name of due.toClean) cleaners.get(name)?.wake();
    return false;
  };
  const follower = startLoop(RULES_POLL_MS, follow, failed('following the rules'));
  const loops = [
    startLoop(LOOK_MS, look, failed('looking for what is due')),
    startLoop(LAPSE_MS, lapse, failed('lapsing approvals')),
    advancer,
    sweeper,
    follower,
    startLoop(HOUSEKEEPING_MS, housekeep, failed('housekeeping')),
    startLoop(UNSERVED_POLL_MS, unserved, failed('looking for ends that nobody serves')),
    ...providers.filter((provider) => provider.names).map((provider) => startStrays(context, provider)),
    ...providers.filter((provider) => provider.upkeep).map((provider) => startUpkeep(context, provider)),
    ...cleaners.values(),
    ...enders.values(),
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
