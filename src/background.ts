import { makeSinkDelivery } from './audit/sinks/deliver.ts';
import type { Closers } from './closers.ts';
import type { Settings } from './config/index.ts';
import type { ApprovalId } from './domain/ids.ts';
import type { Outbound } from './domain/outbound.ts';
import { makeDeliver } from './exchange/channels.ts';
import type { ExchangeContext } from './exchange/context.ts';
import { makeGiveUp } from './exchange/give-up.ts';
import { makeSettle } from './exchange/settle.ts';
import { makeWaiting } from './exchange/waiting.ts';
import type { Ledger } from './ledger/index.ts';
import { openSinks } from './ledger/index.ts';
import { startReaper } from './reaper/index.ts';
import { startNotifier } from './reaper/notifier.ts';
import { startSinks } from './reaper/sinks.ts';
import { startRefusalCounts } from './refusal-counts.ts';
import { version } from './version.ts';

export interface BackgroundDeps {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly ledger: Ledger;
  readonly outbound: Outbound;
  /** Where an operator sees an approval. */
  readonly approvalUrl: (id: ApprovalId) => string;
  readonly closers: Closers;
}

/** What goes on beside the requests: ends, notices to approvers, sinks of the record, counts of what was refused. */
export function startBackground(context: ExchangeContext, deps: BackgroundDeps) {
  const { settings, ledger, outbound, closers } = deps;
  const { clock, log, owner } = context;
  const settle = makeSettle(context);
  const lost = makeGiveUp(context, settle);
  const reaper = startReaper(context, settle);
  closers.add('reaper', reaper.stop);
  closers.add('lost mints', lost.drain);

  const { approvalUrl } = deps;
  const channels = settings.approvals.webhooks;
  const notifier = startNotifier(context, makeDeliver({ channels, outbound, approvalUrl, now: clock.now }));
  closers.add('notifier', notifier.stop);
  const waiting = makeWaiting({ settled: ledger.approvals.settled });
  const notices = ledger.listen((what) => {
    if (what !== 'approval') reaper.wake();
    if (what !== undefined && what !== 'approval') return;
    waiting.wake();
    notifier.wake();
  });
  closers.add('notices', notices.close);
  const refusals = startRefusalCounts(ledger.reaping.recordRefusals, clock.now);
  closers.add('refusal counts', refusals.close);

  const { sinks } = settings.audit;
  if (sinks.length > 0) {
    const store = openSinks({ url: deps.databaseUrl });
    closers.add('connection of the sinks', store.close);
    const deliver = makeSinkDelivery(outbound, clock.now, version);
    closers.add('sinks', startSinks({ sinks, store, deliver, owner, log }).stop);
  }
  return {
    settle,
    /** For a mint whose answer never came. */
    giveUp: lost.giveUp,
    /** There is something to end. */
    wake: reaper.wake,
    channels: notifier.last,
    waiting,
    countRefusal: refusals.count,
  };
}
export type Background = ReturnType<typeof startBackground>;
