import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Router } from 'express';
import { evidencePackRouter } from '../../src/http/evidence-pack.ts';
import type { MakePack } from '../../src/exchange/evidence-pack.ts';
import { Fault, ProviderError } from '../../src/domain/errors.ts';
import { makeApp } from '../../src/http/app.ts';
import type { Step } from '../../src/http/context.ts';
import { makeAsk } from '../support/ask.ts';
import type { LogLine } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/** The app by itself: what its routers get to know of a connection, and what is answered to the end. */
const asOperator: Step = (_req, res, next) => {
  const operator = { issuer: 'https://sso.test', subject: 'ada', display: 'Ada', roles: ['auditor'] } as const;
  res.locals.principal = { kind: 'operator', operator };
  next();
};

async function start(pack: MakePack, closing = () => false) {
  const log: LogLine[] = [];
  const note = (level: LogLine['level']) => (facts: LogLine['facts'], message: string) =>
    void log.push({ level, facts, message });
  const health = Router();
  health.get('/healthz', (_req, res) => void res.json({ status: 'ok' }));
  const app = makeApp({
    health,
    routers: [evidencePackRouter(pack, asOperator)],
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    trustedProxies: [],
    closing,
    observe: () => undefined,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => new Promise((resolve) => server.close(resolve).closeAllConnections());
  return { url, ask: makeAsk(url), log, close };
}

test('an evidence pack is told when its caller is gone, which is nobody’s fault', async () => {
  const controller = new AbortController();
  let told = false;
  const { url, log, close } = await start(async (_caller, _from, _to, gone) => {
    controller.abort();
    await new Promise((resolve) => gone.addEventListener('abort', resolve, { once: true }));
    told = true;
    throw gone.reason;
  });
  try {
    await expect(fetch(`${url}/v1/audit/evidence`, { signal: controller.signal })).rejects.toThrow();
    await until(() => told && log.length > 0);
    expect(log).toEqual([
      { level: 'info', message: 'request', facts: expect.objectContaining({ aborted: true, code: undefined }) },
    ]);
  } finally {
    await close();
  }
});

test('a pack that breaks is a fault, whoever listens', async () => {
  const { ask, log, close } = await start(async () => {
    throw new Error('broken');
  });
  try {
    expect((await ask('GET', '/v1/audit/evidence')).code).toBe('internal_error');
    await until(() => log.length > 1);
    expect(log.map(({ level }) => level)).toEqual(['warn', 'info']);
  } finally {
    await close();
  }
});

test('what a provider says of its failure stands beside what the answer itself says, and not in its place', async () => {
  const facts = { status: 403, code: 'theirs', type: 'theirs', title: 'theirs', step: 'token_create' };
  const { ask, close } = await start(async () => {
    throw new ProviderError('provider_refused', { nothingLives: true, facts });
  });
  try {
    const { status, body } = await ask('GET', '/v1/audit/evidence');
    expect([status, body]).toEqual([
      502,
      expect.objectContaining({ status: 502, code: 'provider_refused', step: 'token_create' }),
    ]);
    expect([body['type'], body['title']]).not.toContain('theirs');
  } finally {
    await close();
  }
});

test('of a batch that failed after its beginning was recorded the answer says what is on record', async () => {
  const { ask, close } = await start(async () => {
    throw new Fault('ledger_unavailable', {}, { recorded: ['d1', 'd2'] });
  });
  try {
    const { status, headers, body } = await ask('GET', '/v1/audit/evidence');
    expect([status, headers['retry-after'], body]).toEqual([
      503,
      '1',
      expect.objectContaining({
        code: 'ledger_unavailable',
        detail: expect.stringContaining('`recorded`'),
        recorded: ['d1', 'd2'],
      }),
    ]);
  } finally {
    await close();
  }
});

test('while it is closing, health is told to the end and everything else is refused; each answer is a connection’s last', async () => {
  const never = () => Promise.reject(new Error('it was asked'));
  const { ask, close } = await start(never, () => true);
  const headers = { connection: 'keep-alive' };
  try {
    const alive = await ask('GET', '/healthz', { headers });
    const other = await ask('GET', '/v1/audit/evidence', { headers });
    expect([alive.status, alive.headers['connection']]).toEqual([200, 'close']);
    expect([other.status, other.code, other.headers['connection']]).toEqual([503, 'shutting_down', 'close']);
  } finally {
    await close();
  }
});
