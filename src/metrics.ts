import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { sharedRead } from './shared-read.ts';

/** How long what the ledger said is said again. */
const LEDGER_KEPT_MS = 1_000;
/** What it does not say within this is not waited for: Prometheus gives a scrape 10 s. */
const LEDGER_MOST_MS = 4_000;

/** What is counted here, and what is asked of the ledger at each scrape. */
export interface MetricsSource {
  readonly grantsByState: () => Promise<Readonly<Record<string, number>>>;
  readonly overdueSeconds: () => Promise<number>;
  readonly clockOffsetMs: () => number;
  readonly generation: () => { readonly loaded?: number; readonly active?: number };
  readonly keysAgeSeconds: () => Readonly<Record<string, number>>;
  readonly sinks: () => Promise<readonly { readonly name: string; readonly lag: number; readonly dead: number }[]>;
  readonly log: {
    readonly size: () => Promise<number>;
    readonly unsealedSeconds: () => Promise<number>;
    readonly heldUpSeconds: () => number;
    readonly isDamaged: () => boolean;
    readonly witnessFailures: () => Readonly<Record<string, number>>;
  };
  readonly approvalsWaiting: () => Promise<number>;
  readonly longPolls: () => number;
  readonly notices: () => Promise<Readonly<Record<'pending' | 'dead', number>>>;
  readonly exceptions: () => Promise<{ readonly active: number; readonly unreviewed: number; readonly uses: number }>;
}

export interface Metrics {
  readonly registry: Registry;
  observeRequest(route: string, method: string, status: number, seconds: number): void;
  countRefusal(code: string): void;
  countUseAfterRevocation(how: string): void;
  /** A decision on a call; null: it was allowed. */
  countCall(code: string | null): void;
  /** Gauges that are read when scraped. Called once, when there is something to read. */
  follow(source: MetricsSource): void;
}

export function makeMetrics(nowMs: () => number): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'writ_http_request_seconds',
    help: 'Requests by route, method and status.',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  });
  const refusals = new Counter({
    name: 'writ_evidence_refused_total',
    help: 'Evidence that was refused before anything was decided, by code.',
    labelNames: ['code'],
    registers: [registry],
  });
  const afterRevocation = new Counter({
    name: 'writ_use_after_revocation_total',
    help: 'Grants and tasks that were shown although they were taken back, by what for; an alarm.',
    labelNames: ['how'],
    registers: [registry],
  });
  const calls = new Counter({
    name: 'writ_call_decisions_total',
    help: 'Decisions on calls of tools, by why not; allow for those that may be made.',
    labelNames: ['code'],
    registers: [registry],
  });
  return {
    registry,
    observeRequest: (route, method, status, seconds) => requests.labels(route, method, String(status)).observe(seconds),
    countUseAfterRevocation: (how) => afterRevocation.labels(how).inc(),
    countRefusal: (code) => refusals.labels(code).inc(),
    countCall: (code) => calls.labels(code ?? 'allow').inc(),
    follow: (source) => follow(registry, source, nowMs),
  };
}

function follow(registry: Registry, source: MetricsSource, nowMs: () => number): void {
  const registers = [registry];
  // Anybody may scrape: what asks the ledger is asked once for all who do.
  const shared = <T>(read: () => Promise<T>) =>
    sharedRead(read, { keptMs: LEDGER_KEPT_MS, mostMs: LEDGER_MOST_MS, nowMs });
  const exceptions = shared(source.exceptions);
  const sinks = shared(source.sinks);
  // One scrape is not lost for what the ledger cannot say now: such a gauge has no value, or NaN.
  const labelled = (name: string, help: string, label: string, read: () => Promise<Readonly<Record<string, number>>>) =>
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      async collect() {
        const values = await read().catch(() => ({}));
        this.reset();
        for (const [value, count] of Object.entries(values)) this.labels(value).set(count);
      },
    });
  const plain = (name: string, help: string, read: () => Promise<number>) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await read().catch(() => Number.NaN));
      },
    });
  labelled(
    'writ_grants',
    'Grants that are not closed, by state; stuck ones are an alarm.',
    'state',
    shared(source.grantsByState),
  );
  labelled('writ_evidence_keys_age_seconds', 'Since the keys of a trust entry were last read.', 'trust', async () =>
    source.keysAgeSeconds(),
  );
  plain('writ_approvals_waiting', 'Approvals that nobody has answered yet.', shared(source.approvalsWaiting));
  plain('writ_long_polls', 'Requests that this replica holds until an approval is answered.', async () =>
    source.longPolls(),
  );
  labelled(
    'writ_approval_notices',
    'Notices to approvers, of approvals that are waited for: still to be delivered, or given up.',
    'state',
    shared(source.notices),
  );
  plain('writ_exceptions_active', 'Exceptions in force.', async () => (await exceptions()).active);
  plain(
    'writ_exceptions_unreviewed',
    'Exceptions whose review date has passed without one.',
    async () => (await exceptions()).unreviewed,
  );
  plain(
    'writ_exception_uses',
    'What was allowed under an exception, ever, on all replicas.',
    async () => (await exceptions()).uses,
  );
  plain('writ_overdue_seconds', 'How long the longest waiting end is due.', shared(source.overdueSeconds));
  plain('writ_clock_offset_ms', 'This process’s clock ahead of the database’s.', async () => source.clockOffsetMs());
  plain('writ_log_size', 'Events in the sealed log.', shared(source.log.size));
  plain(
    'writ_log_unsealed_seconds',
    'How long the oldest event that is committed and not sealed is there.',
    shared(source.log.unsealedSeconds),
  );
  plain(
    'writ_log_oldest_transaction_seconds',
    'How long one open transaction of the ledger’s server has held sealing up, as seen from here; 0: none does.',
    async () => source.log.heldUpSeconds(),
  );
  plain('writ_log_damaged', '1: the log is not what was signed, and nothing more is sealed.', async () =>
    source.log.isDamaged() ? 1 : 0,
  );
  labelled(
    'writ_log_witness_failures',
    'How often a witness could not be given a checkpoint, or disagreed, since the start.',
    'witness',
    async () => source.log.witnessFailures(),
  );
  labelled('writ_sink_lag_events', 'Sealed events that a sink has not been given yet.', 'sink', async () =>
    Object.fromEntries((await sinks()).map(({ name, lag }) => [name, lag])),
  );
  labelled('writ_sink_dead_letters', 'Events that a sink did not take; more than none is an alarm.', 'sink', async () =>
    Object.fromEntries((await sinks()).map(({ name, dead }) => [name, dead])),
  );
  plain(
    'writ_generation_loaded',
    'The generation that this replica decides by; 0: none.',
    async () => source.generation().loaded ?? 0,
  );
  plain(
    'writ_generation_active',
    'The generation that is active; 0: none.',
    async () => source.generation().active ?? 0,
  );
}
