import { makeMetrics } from '../../src/metrics.ts';
import { sharedRead } from '../../src/shared-read.ts';
import type { MetricsSource } from '../../src/metrics.ts';

/** Anybody may scrape: what that costs the ledger does not grow with who does. */
function counted() {
  const reads = new Map<string, number>();
  let fails = false;
  const read =
    <T>(name: string, value: T) =>
    async () => {
      reads.set(name, (reads.get(name) ?? 0) + 1);
      if (fails) throw new Error('the ledger is away');
      return value;
    };
  const source: MetricsSource = {
    grantsByState: read('grants', { active: 3 }),
    overdueSeconds: read('overdue', 4),
    clockOffsetMs: () => 0,
    generation: () => ({}),
    keysAgeSeconds: () => ({}),
    sinks: read('sinks', [{ name: 'siem', lag: 5, dead: 6 }]),
    log: {
      size: read('size', 7),
      unsealedSeconds: read('unsealed', 8),
      heldUpSeconds: () => 0,
      isDamaged: () => false,
      witnessFailures: () => ({}),
    },
    approvalsWaiting: read('approvals', 9),
    longPolls: () => 0,
    notices: read('notices', { pending: 10, dead: 11 }),
    exceptions: read('exceptions', { active: 12, unreviewed: 13, uses: 14 }),
  };
  const counts = () => [...new Set(reads.values())];
  return { source, reads, counts, fail: (yes: boolean) => void (fails = yes) };
}

test('each source is read once for all who scrape at once or within a second', async () => {
  let now = 0;
  const { source, reads, counts } = counted();
  const { registry, follow, countRefusal } = makeMetrics(() => now);
  follow(source);
  const [text] = await Promise.all([registry.metrics(), registry.metrics(), registry.metrics()]);
  expect(text).toMatch(/^writ_exceptions_active 12$/m);
  expect(text).toMatch(/^writ_exception_uses 14$/m);
  expect(text).toMatch(/^writ_sink_lag_events\{sink="siem"\} 5$/m);
  expect(text).toMatch(/^writ_sink_dead_letters\{sink="siem"\} 6$/m);
  expect([reads.size, counts()]).toEqual([8, [1]]);

  now = 999;
  countRefusal('x');
  // what is counted here is told as it is
  expect(await registry.metrics()).toMatch(/^writ_evidence_refused_total\{code="x"\} 1$/m);
  expect(counts()).toEqual([1]);
  now = 1_000;
  await registry.metrics();
  expect(counts()).toEqual([2]);
});

test('what could not be read is read again', async () => {
  const { source, fail, counts } = counted();
  const { registry, follow } = makeMetrics(() => 0);
  follow(source);
  fail(true);
  expect(await registry.metrics()).toMatch(/^writ_exceptions_active nan$/im);
  fail(false);
  expect(await registry.metrics()).toMatch(/^writ_exceptions_active 12$/m);
  expect(counts()).toEqual([2]);
});

describe('a read that never ends', () => {
  const never = new Promise<never>(() => undefined);

  test('has failed for all who ask after a while, and is begun again', async () => {
    const answers = [never, Promise.resolve(2)];
    const read = sharedRead(async () => answers.shift() ?? 0, { keptMs: 1_000, mostMs: 20, nowMs: () => 0 });
    const both = await Promise.allSettled([read(), read()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([await read(), await read()]).toEqual([2, 2]);
  });

  test('holds no scrape up: the others have their values', async () => {
    const { source } = counted();
    const { registry, follow } = makeMetrics(() => 0);
    follow({ ...source, overdueSeconds: () => never });
    const text = await registry.metrics();
    expect(text).toMatch(/^writ_overdue_seconds nan$/im);
    expect(text).toMatch(/^writ_exceptions_active 12$/m);
  });
});
