import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OPERATOR_TOKENS } from '../support/fake-broker.ts';
import { openStation } from './harness.ts';

/** What a person is shown of sinks: also whether a dead letter is tried again, and how that goes. */
const LETTER = { sink: 'siem', task: 't1', error: 'status_422', at: '2026-11-26T09:00:00.000Z' };
const FOUND = {
  sinks: [{ name: 'siem', position: 9, lag: 0, attempts: 0, last_error: null, delivered_at: null, dead_letters: 3 }],
  dead_letters: [
    { ...LETTER, leaf: 3, replay_at: null, attempts: 0, due_at: null },
    { ...LETTER, leaf: 4, task: null, replay_at: LETTER.at, attempts: 0, due_at: null },
    { ...LETTER, leaf: 5, error: 'unreachable', replay_at: LETTER.at, attempts: 2, due_at: '2026-11-26T09:00:04.000Z' },
  ],
};

test('each dead letter with why it is one, and when it is next tried', async () => {
  const server = createServer((_req, res) => {
    res.setHeader('content-type', 'application/json').end(JSON.stringify(FOUND));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const station = openStation();
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { WRIT_URL: url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security };
    const ran = await station.run(['audit', 'sinks', 'show'], env);
    expect([ran.code, ran.stdout.split('\n').slice(3)]).toEqual([
      0,
      [
        'SINK  LEAF  TASK  ERROR        TRIED AGAIN',
        'siem  3     t1    status_422   -',
        'siem  4     -     status_422   at once',
        'siem  5     t1    unreachable  2 unanswered, next 2026-11-26T09:00:04.000Z',
        '',
      ],
    ]);
  } finally {
    station.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
