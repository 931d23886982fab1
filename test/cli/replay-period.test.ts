import { OPERATOR_TOKENS, startFakeBroker } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { openStation } from './harness.ts';
import type { Station } from './harness.ts';

/** The period that `writ policy replay` asks for, page after page. */
let broker: FakeBroker;
let station: Station;
beforeEach(async () => {
  broker = await startFakeBroker();
  station = openStation();
});
afterEach(async () => {
  station.close();
  await broker.close();
});

const PAGES = 3;
test.each([
  { name: 'without an end: until now, whatever is decided meanwhile', more: [], to: '2026-11-23T12:00:00.000Z' },
  { name: 'with one', more: ['--to', '2026-11-23T09:00:00+01:00'], to: '2026-11-23T08:00:00.000Z' },
])('$name', async ({ more, to }) => {
  const page = (n: number) => ({
    body: { decisions: [], ...(n < PAGES && { next_cursor: String(n) }) },
    before: async () => station.pass(60),
  });
  const generation = { number: 1, hash: 'h', activated_at: '2026-11-23T12:00:00.000Z', files: {} };
  broker.next('GET /v1/generations/active', { body: generation });
  broker.next('GET /v1/decisions', ...Array.from({ length: PAGES }, (_, n) => page(n + 1)));
  const env = { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security };
  const ran = await station.run(['policy', 'replay', '--from', '2026-11-22', ...more], env);
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  const asked = broker.requests.filter(({ path }) => path === '/v1/decisions').map(({ query }) => query);
  expect(asked).toHaveLength(PAGES);
  for (const query of asked) expect(query).toMatchObject({ from: '2026-11-22T00:00:00.000Z', to });
});
