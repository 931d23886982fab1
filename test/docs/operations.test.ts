import { makeMetrics } from '../../src/metrics.ts';
import { START_ERROR_CODES } from '../../src/start-error.ts';
import { codesOf, readPage, sectionOf } from './pages.ts';

test('every metric of Writ is on the page, and no other', async () => {
  const metrics = makeMetrics(() => Date.now());
  metrics.follow({
    grantsByState: () => Promise.resolve({}),
    overdueSeconds: () => Promise.resolve(0),
    clockOffsetMs: () => 0,
    generation: () => ({}),
    approvalsWaiting: () => Promise.resolve(0),
    longPolls: () => 0,
    notices: () => Promise.resolve({ pending: 0, dead: 0 }),
    exceptions: () => Promise.resolve({ active: 0, unreviewed: 0, uses: 0 }),
    keysAgeSeconds: () => ({}),
    sinks: async () => [],
    log: {
      size: () => Promise.resolve(0),
      unsealedSeconds: () => Promise.resolve(0),
      heldUpSeconds: () => 0,
      isDamaged: () => false,
      witnessFailures: () => ({}),
    },
  });
  const names = (await metrics.registry.getMetricsAsJSON()).map(({ name }) => name);
  const own = names.filter((name) => name.startsWith('writ_'));
  const { rows } = sectionOf(await readPage('docs/operations.md'), 'Probes and metrics');
  const written = rows.flatMap(([cell = '']) => codesOf(cell)).map((code) => code.replace(/\{.*/, ''));
  expect(written.sort()).toEqual(own.sort());
});

test('every code of a start that failed is on the page, and no other', async () => {
  const { rows } = sectionOf(await readPage('docs/operations.md'), 'Starting and stopping');
  const codes = rows.flatMap(([cell = '']) => codesOf(cell)).filter((code) => /^[a-z_]+$/.test(code));
  expect(codes.sort()).toEqual([...START_ERROR_CODES].sort());
});
