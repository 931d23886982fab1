import { OPERATOR_TOKENS, OTHER_WORKLOAD_TOKEN, startFakeBroker, WORKLOAD_TOKEN } from '../support/fake-broker.ts';
import type { FakeBroker } from '../support/fake-broker.ts';
import { openStation, streamOf } from './harness.ts';
import type { Station } from './harness.ts';

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

const GRANT = 'g000000000001';
const revoke = (
  argv: readonly string[],
  env: Record<string, string> = { WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security },
) => station.run(['revoke', ...argv], { WRIT_URL: broker.url, ...env });

describe('one grant', () => {
  test('is confirmed', async () => {
    broker.seed({ id: GRANT });
    expect(await revoke([GRANT, '--reason', 'lost'])).toMatchObject({
      code: 0,
      stdout: `grant ${GRANT} of orders: revoked\n`,
    });
    expect(broker.requests[0]).toMatchObject({ path: `/v1/grants/${GRANT}/revoke`, body: { reason: 'lost' } });
  });

  test('is watched until it is', async () => {
    broker.seed({ id: GRANT });
    broker.confirmAfter(3);
    const ran = await revoke([GRANT, '--reason', 'lost']);
    expect(ran).toMatchObject({ code: 0, stdout: `grant ${GRANT} of orders: revoked\n` });
    expect(ran.stderr).toBe(`grant ${GRANT} of orders: ending\n`);
    expect(broker.requests).toHaveLength(4);
  });

  test.each([
    { name: 'the wait', argv: ['--wait', '5'], requests: 8 },
    { name: 'no wait at all', argv: ['--wait', '0'], requests: 1 },
  ])('still pending at the end of $name', async ({ argv, requests }) => {
    broker.seed({ id: GRANT, revocability: { mode: 'eventual', expected_seconds: 60 } });
    broker.confirmAfter(Infinity);
    const ran = await revoke([GRANT, '--reason', 'lost', ...argv]);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toMatch(/ending: accepted, not confirmed yet; .* 60s; it ends at 2026-11-23T12:15:00/);
    expect(broker.requests).toHaveLength(requests);
  });

  test('a broker that is away for a moment while it is watched is no news', async () => {
    broker.seed({ id: GRANT });
    broker.confirmAfter(1);
    broker.next(`GET /v1/grants/${GRANT}`, { fault: 'reset' }, { status: 503, body: { code: 'ledger_unavailable' } });
    expect(await revoke([GRANT, '--reason', 'lost'])).toMatchObject({ code: 0 });
  });

  test.each([
    {
      name: 'an operator’s token goes first',
      env: { WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security, WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN },
      sent: OPERATOR_TOKENS.security,
      code: 0,
    },
    { name: 'else the workload’s own', env: { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN }, sent: WORKLOAD_TOKEN, code: 0 },
    {
      name: 'which ends nobody else’s',
      env: { WRIT_IDENTITY_TOKEN: OTHER_WORKLOAD_TOKEN },
      sent: OTHER_WORKLOAD_TOKEN,
      code: 1,
    },
  ])('who asks: $name', async ({ env, sent, code }) => {
    broker.seed({ id: GRANT });
    expect((await revoke([GRANT, '--reason', 'x'], env)).code).toBe(code);
    expect(broker.requests[0]?.headers['authorization']).toBe(`Bearer ${sent}`);
  });

  test('a dry run changes nothing', async () => {
    broker.seed({ id: GRANT });
    const ran = await revoke([GRANT, '--reason', 'x', '--dry-run']);
    expect(ran).toMatchObject({
      code: 0,
      stdout: `would revoke grant ${GRANT} of orders: active; nothing was changed\n`,
    });
    expect(broker.grants.get(GRANT)?.state).toBe('active');
  });

  test('--json is the grant as it stands', async () => {
    broker.seed({ id: GRANT });
    const ran = await revoke([GRANT, '--reason', 'x', '--json']);
    expect(ran.stderr).toBe('');
    expect(JSON.parse(ran.stdout)).toEqual(broker.grants.get(GRANT));
  });
});

describe('by selector', () => {
  beforeEach(() => {
    broker.seed({ id: 'g000000000001', provider: 'orders-db' });
    broker.seed({ id: 'g000000000002', provider: 'orders-db' });
    broker.seed({ id: 'g000000000003', provider: 'tools', task: 't000000000000000000002' });
    broker.seed({
      id: 'g000000000004',
      provider: 'tools',
      owner: 'sales',
      environment: 'staging',
      subject: 'spiffe://x/y',
      profile: 'p',
    });
  });

  test.each([
    { argv: ['--agent', 'spiffe://x/y'], selector: { agent: 'spiffe://x/y' }, matched: 1 },
    { argv: ['--task', 't000000000000000000002'], selector: { task: 't000000000000000000002' }, matched: 1 },
    { argv: ['--profile', 'p'], selector: { profile: 'p' }, matched: 1 },
    { argv: ['--owner', 'payments'], selector: { owner: 'payments' }, matched: 3 },
    { argv: ['--environment', 'staging'], selector: { environment: 'staging' }, matched: 1 },
    { argv: ['--provider', 'orders-db'], selector: { provider: 'orders-db' }, matched: 2 },
    { argv: ['--all'], selector: { all: true }, matched: 4 },
  ])('$argv', async ({ argv, selector, matched }) => {
    const ran = await revoke([...argv, '--reason', 'incident', '--json']);
    expect(ran.code).toBe(0);
    expect(broker.requests[0]?.body).toEqual({ selector, reason: 'incident' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ matched, state: 'complete', selector });
  });

  test('shows the progress of each provider until it is confirmed', async () => {
    broker.confirmAfter(2);
    const ran = await revoke(['--owner', 'payments', '--reason', 'incident']);
    expect(ran).toEqual({
      code: 0,
      stdout: 'order o000000000000000000001 on owner payments: 3 of 3 revoked, confirmed\n',
      stderr: [
        'writ: order o000000000000000000001',
        'orders-db  2 matched  0 revoked  2 pending  0 stuck',
        'tools      1 matched  0 revoked  1 pending  0 stuck',
        'orders-db  2 matched  2 revoked  0 pending  0 stuck',
        'tools      1 matched  1 revoked  0 pending  0 stuck',
        '',
      ].join('\n'),
    });
  });

  test('on a terminal the progress is written over', async () => {
    broker.confirmAfter(2);
    const texts: string[] = [];
    const stderr = {
      ...streamOf(2, true),
      write: (text: string, done: () => void) => (texts.push(text), done(), true),
    };
    await station.run(
      ['revoke', '--owner', 'payments', '--reason', 'x'],
      { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security },
      { stderr },
    );
    expect(texts[0]).toMatch(/^writ: order/);
    expect(texts[1]).toMatch(/^orders-db/);
    expect(texts[2]?.startsWith('\u001b[2A\u001b[J')).toBe(true);
  });

  test('3 when some is pending at the end of the wait', async () => {
    broker.confirmAfter(Infinity);
    const ran = await revoke(['--owner', 'payments', '--reason', 'x', '--wait', '2']);
    expect(ran).toMatchObject({ code: 3 });
    expect(ran.stdout).toContain('0 of 3 revoked, in progress: 3 pending, 0 stuck');
  });

  test('3 when some is stuck, whatever the state says', async () => {
    const progress = { matched: 1, revoked: 0, pending: 0, stuck: 1 };
    const order = {
      id: 'o000000000000000000009',
      matched: 1,
      state: 'complete',
      by_provider: { tools: progress },
      selector: { owner: 'x' },
      lifted: false,
    };
    broker.next('POST /v1/revocations', { status: 201, body: order });
    expect(await revoke(['--owner', 'x', '--reason', 'x', '--wait', '0'])).toMatchObject({ code: 3 });
  });

  test('a dry run counts by provider and makes no order', async () => {
    const ran = await revoke(['--owner', 'payments', '--reason', 'x', '--dry-run']);
    expect(ran).toEqual({
      code: 0,
      stderr: '',
      stdout: 'orders-db  2 matched\ntools      1 matched\nwould revoke 3; nothing was changed\n',
    });
    expect(broker.orders.size).toBe(0);
  });

  test('--no-block', async () => {
    await revoke(['--owner', 'payments', '--reason', 'x', '--no-block']);
    expect(broker.requests[0]?.body).toEqual({ selector: { owner: 'payments' }, reason: 'x', block: false });
  });

  test('takes an operator: a workload’s identity is not tried', async () => {
    expect(
      await revoke(['--owner', 'payments', '--reason', 'x'], { WRIT_IDENTITY_TOKEN: WORKLOAD_TOKEN }),
    ).toMatchObject({ code: 2 });
    expect(broker.requests).toHaveLength(0);
  });
});

test.each([
  { name: 'nothing', argv: ['--reason', 'x'] },
  { name: 'two selectors', argv: ['--owner', 'a', '--all', '--reason', 'x'] },
  { name: 'a grant and a selector', argv: [GRANT, '--all', '--reason', 'x'] },
  { name: 'what is no grant', argv: ['orders-readonly', '--reason', 'x'] },
  { name: 'no reason', argv: [GRANT] },
  { name: '--no-block with a grant', argv: [GRANT, '--no-block', '--reason', 'x'] },
  { name: 'a wait that is none', argv: [GRANT, '--wait', 'long', '--reason', 'x'] },
])('usage: $name', async ({ argv }) => {
  const ran = await revoke(argv);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(broker.requests).toHaveLength(0);
});

describe('orders afterwards', () => {
  const order = (argv: readonly string[]) =>
    station.run(['order', ...argv], { WRIT_URL: broker.url, WRIT_OPERATOR_TOKEN: OPERATOR_TOKENS.security });

  test('show says how it stands, and lift ends its blocking', async () => {
    broker.seed({ id: GRANT });
    broker.confirmAfter(2);
    await revoke(['--owner', 'payments', '--reason', 'x', '--wait', '0']);
    const [id = ''] = broker.orders.keys();
    expect(await order(['show', id])).toMatchObject({ code: 3 });
    expect(await order(['show', id, '--wait', '5'])).toMatchObject({ code: 0 });
    expect(await order(['lift', id, '--reason', 'over'])).toMatchObject({ code: 0, stdout: `order ${id} is lifted\n` });
    expect((await order(['show', id])).stdout).toContain('; lifted');
  });

  test('list says what stands', async () => {
    expect((await order(['list', '--blocking'])).stderr).toContain('writ: no orders');
    await revoke(['--owner', 'payments', '--reason', 'a leak', '--wait', '0']);
    await revoke(['--all', '--reason', 'stop', '--wait', '0']);
    const [payments = '', all = ''] = broker.orders.keys();
    await order(['lift', all, '--reason', 'over']);
    const { code, stdout } = await order(['list', '--blocking']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^ORDER .*\n${all} +yes \\(lift asked for\\) .* everything +stop\n${payments} +yes .* owner payments +a leak\n$`,
      ),
    );
    await order(['lift', payments, '--reason', 'over']);
    expect((await order(['list', '--blocking'])).stdout).not.toContain(payments);
    const lines = (await order(['list', '--json'])).stdout.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual([all, payments]);
  });

  test('everything is lifted by two', async () => {
    await revoke(['--all', '--reason', 'stop']);
    const [id = ''] = broker.orders.keys();
    expect(await order(['lift', id, '--reason', 'over'])).toMatchObject({ code: 3 });
  });

  test('one that is not there', async () => {
    expect(await order(['show', 'o000000000000000000009'])).toMatchObject({ code: 1, stdout: '' });
  });
});
