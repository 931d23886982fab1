import type { ExchangeContext } from '../exchange/context.ts';
import type { Notice } from '../ledger/index.ts';
import { startLoop } from './loop.ts';
import type { Loop } from './loop.ts';

const POLL_MS = 1_000;
const BATCH = 20;
/** Longer than an attempt takes. */
const LEASE_SECONDS = 15;
/** About twenty minutes in all; then nobody is left to tell, and it is an alarm. */
const DEAD_AFTER = 12;
const LONGEST_PAUSE_SECONDS = 300;

/** How the channels fared with this process last: null, or why not. */
export interface Notifier extends Loop {
  last(): ReadonlyMap<string, string | null>;
}

/**
 * Delivers what tells approvers that they are asked, from the ledger's outbox. Nothing waits for it: a receiver that is away delays
 * its own notices, and is seen.
 */
export function startNotifier(
  { ledger, owner, log, approvals }: Pick<ExchangeContext, 'ledger' | 'owner' | 'log' | 'approvals'>,
  deliver: (notice: Notice) => Promise<string | null>,
): Notifier {
  const last = new Map<string, string | null>();

  async function tell(notice: Notice): Promise<void> {
    const error = await deliver(notice);
    last.set(notice.target, error);
    const { approval, target, attempts } = notice;
    const delay = Math.min(LONGEST_PAUSE_SECONDS, 2 ** attempts) * (1 - 0.25 * Math.random());
    const settling = { approval, target, owner, error, delay_seconds: delay, dead_after: DEAD_AFTER };
    const state = await ledger.notices.settle(settling);
    if (error !== null)
      log.warn({ approval, target, attempts: attempts + 1, code: error, state }, 'approvers could not be told');
  }

  const loop = startLoop(
    POLL_MS,
    async () => {
      const claiming = { targets: approvals.notify, owner, limit: BATCH, lease_seconds: LEASE_SECONDS };
      const notices = await ledger.notices.claim(claiming);
      const told = await Promise.allSettled(notices.map(tell));
      const failed = told.find((one) => one.status === 'rejected');
      if (failed) throw failed.reason;
      return notices.length === BATCH;
    },
    (error) => log.warn({ code: (error as { code?: unknown }).code }, 'telling approvers failed'),
  );
  return { ...loop, last: () => last };
}
