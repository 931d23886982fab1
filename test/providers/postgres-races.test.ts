import { randomBytes } from 'node:crypto';
import { makeIds } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { MintRecord, Provider } from '../../src/providers/provider.ts';
import type { MessageSpec } from '../support/pg-proxy.ts';
import { postgresHarness, profileOf, roleName } from './postgres-harness.ts';

/** What happens between messages: a broker that stands still or dies while the reaper acts, and a server that does. */
const harness = await postgresHarness();
const { provider, target, look } = harness;
const forever = new AbortController().signal;
const ids = makeIds(randomBytes, Date.now);

afterAll(() => harness.close());

const CREATION: MessageSpec = {
  from: 'frontend',
  match: ({ type, text }) => type === 'Q' && text.includes('CREATE ROLE'),
};
const COMMIT: MessageSpec = { from: 'frontend', match: ({ type, text }) => type === 'Q' && text === 'COMMIT' };
const COMMITTED: MessageSpec = { from: 'backend', match: ({ type, text }) => type === 'C' && text === 'COMMIT' };

function plan(lifeSeconds = 600, by: Provider = provider) {
  const now = new Date();
  const asked = {
    mint: ids.mint(),
    grant: ids.grant(),
    task: ids.task(),
    subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/racer' },
    now,
    endsAt: new Date(now.getTime() + lifeSeconds * 1000),
  };
  const plan = by.plan(profileOf(target), {}, asked);
  const record: MintRecord = { mint: asked.mint, grant: asked.grant, endsAt: asked.endsAt, request: plan.request };
  return { plan, record };
}

const outcome = <T>(call: Promise<T>) =>
  call.then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error }),
  );

describe('a broker that stands still in the middle of a mint', () => {
  test('before COMMIT: its transaction dies by itself, the name is taken, and its late COMMIT does nothing', async () => {
    const { provider: stopped, proxy } = await harness.proxied();
    const { plan: asked, record } = plan();
    const hold = proxy.hold(COMMIT);
    const minting = outcome(stopped.mint(asked, forever));
    await hold.reached;
    expect(await provider.find(record, forever)).toEqual({ kind: 'absent' });
    hold.release();
    expect((await minting).error).toMatchObject({ nothingLives: false });
    expect(await harness.alive(record.mint)).toBe(false);
    await stopped.close();
  });

  test('before CREATE ROLE: the late one fails on the name', async () => {
    const { provider: stopped, proxy } = await harness.proxied();
    const { plan: asked, record } = plan();
    const hold = proxy.hold(CREATION);
    const minting = outcome(stopped.mint(asked, forever));
    await hold.reached;
    expect(await provider.find(record, forever)).toEqual({ kind: 'absent' });
    hold.release();
    expect((await minting).error).toMatchObject({
      code: 'provider_refused',
      nothingLives: false,
      facts: { sqlstate: '42710' },
    });
    expect(await harness.alive(record.mint)).toBe(false);
    await stopped.close();
  });

  test('until its end has passed and the name is free again: what it makes then is useless', async () => {
    const { provider: stopped, proxy } = await harness.proxied();
    const later = harness.make({ clock: { now: () => new Date(Date.now() + 120_000), offsetMs: () => 0 } });
    const { plan: asked, record } = plan(1);
    const hold = proxy.hold(CREATION);
    const minting = outcome(stopped.mint(asked, forever));
    await hold.reached;
    expect(await provider.find(record, forever)).toEqual({ kind: 'absent' });
    const cleaned = await provider.cleanup?.(record, forever);
    expect(cleaned).toEqual({ kind: 'later', until: new Date(record.endsAt.getTime() + 60_000) });
    expect(await later.cleanup?.(record, forever)).toEqual({ kind: 'done' });
    await harness.pass(record.endsAt);
    hold.release();
    const { value } = await minting;
    expect(await harness.use(value?.credential.reveal() as JsonObject)).toBe('refused');
    expect(await provider.names?.(forever)).toContain(record.mint);
    expect(await provider.end(record, value?.handle as JsonObject, 'expiry', forever)).toEqual({ kind: 'ended' });
    await Promise.all([stopped.close(), later.close()]);
  });

  test('holds up other mints of the same role only until the server has ended its transaction', async () => {
    const { provider: stopped, proxy } = await harness.proxied();
    const hold = proxy.hold(COMMIT);
    const minting = outcome(stopped.mint(plan().plan, forever));
    await hold.reached;
    const other = plan();
    const { handle } = await provider.mint(other.plan, forever);
    await provider.end(other.record, handle, 'expiry', forever);
    hold.drop();
    await minting;
    await stopped.close();
  });
});

describe('a broker that dies in the middle of a mint', () => {
  test('after COMMIT, before its answer: nobody knows, and it is found', async () => {
    const { provider: dying, proxy } = await harness.proxied();
    const { plan: asked, record } = plan();
    const hold = proxy.hold(COMMITTED);
    const minting = outcome(dying.mint(asked, forever));
    await hold.reached;
    hold.drop();
    expect((await minting).error).toMatchObject({ code: 'provider_unreachable', nothingLives: false });
    const found = await provider.find(record, forever);
    expect(found).toMatchObject({ kind: 'found', handle: { role: roleName(record.mint) } });
    if (found.kind === 'found')
      expect(await provider.end(record, found.handle, 'abandoned', forever)).toEqual({ kind: 'ended' });
    await dying.close();
  });

  test('between the steps of an end: it is found again although it can no longer log in', async () => {
    const { plan: asked, record } = plan();
    const { credential, handle } = await provider.mint(asked, forever);
    const client = await harness.login(credential.reveal());
    const { provider: dying, proxy } = await harness.proxied();
    const hold = proxy.hold({ match: ({ from, sql }) => from === 'frontend' && sql.includes('pg_terminate_backend') });
    const ending = outcome(dying.end(record, handle, 'revocation', forever));
    await hold.reached;
    proxy.refuse();
    hold.drop();
    expect((await ending).error).toMatchObject({ code: 'provider_unreachable' });
    expect(await harness.alive(record.mint)).toBe(true);
    expect(await harness.use(credential.reveal())).toBe('refused');
    expect(await provider.find(record, forever)).toMatchObject({ kind: 'found' });
    expect(await provider.end(record, handle, 'revocation', forever)).toEqual({ kind: 'ended' });
    await expect(client.query('SELECT 1')).rejects.toThrow();
    await dying.close();
  });
});

describe('a server in trouble', () => {
  test('a session that does not die: pending, until it has', async () => {
    const { plan: asked, record } = plan();
    const { credential, handle } = await provider.mint(asked, forever);
    await harness.login(credential.reveal());
    const [session] = await look<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE usename = $1', [
      roleName(record.mint),
    ]);
    const pid = session?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      const ended = await provider.end(record, handle, 'revocation', forever);
      expect(ended.kind).toBe('pending');
      expect(await harness.use(credential.reveal())).toBe('refused');
      await expect(provider.cleanup?.(record, forever)).rejects.toMatchObject({ facts: { finding: 'not_ended' } });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(await provider.end(record, handle, 'revocation', forever)).toEqual({ kind: 'ended' });
  });

  test('a silent one holds nobody else up', async () => {
    const { provider: silent, proxy } = await harness.proxied();
    proxy.silence();
    const waiting = Array.from({ length: 30 }, () => outcome(silent.mint(plan().plan, forever)));
    const began = performance.now();
    const { plan: asked, record } = plan();
    const { handle } = await provider.mint(asked, forever);
    expect(performance.now() - began).toBeLessThan(1_000);
    for (const { error } of await Promise.all(waiting))
      expect(error).toMatchObject({ code: 'provider_timeout', nothingLives: true });
    await provider.end(record, handle, 'expiry', forever);
    await silent.close();
  });

  test('one that fell silent after the set-up was found safe: no mint, and nothing lives', async () => {
    const { provider: broker, proxy } = await harness.proxied();
    const first = plan();
    const { handle } = await broker.mint(first.plan, forever);
    proxy.silence();
    const second = plan();
    const error = (await outcome(broker.mint(second.plan, forever))).error;
    expect(error).toMatchObject({ code: 'provider_timeout', nothingLives: true });
    await proxy.resume(); // what it said in silence arrives now
    await provider.end(first.record, handle, 'expiry', forever);
    const found = await provider.find(second.record, forever);
    expect(found).toEqual({ kind: 'absent' });
    await broker.close();
  });

  test('another server at the same address: "not found" is no end', async () => {
    const { plan: asked, record } = plan();
    const { handle } = await provider.mint(asked, forever);
    const elsewhere = { ...handle, server: '7000000000000000000' };
    expect(await provider.end(record, elsewhere, 'expiry', forever)).toEqual({ kind: 'ended' });
    await provider.cleanup?.(record, forever);
    expect(await provider.end(record, handle, 'expiry', forever)).toEqual({ kind: 'ended' });
    await expect(provider.end(record, elsewhere, 'expiry', forever)).rejects.toMatchObject({
      facts: { finding: 'another_server' },
    });
  });
});

describe('on the wire', () => {
  test('the server never hears the password, and its objects are not on the path', async () => {
    const { provider: broker, proxy } = await harness.proxied();
    const said: Buffer[] = [];
    proxy.rewrite(({ from, body }) => {
      if (from === 'frontend') said.push(Buffer.from(body));
      return undefined;
    });
    const { plan: asked, record } = plan();
    const { credential, handle } = await broker.mint(asked, forever);
    const all = Buffer.concat(said);
    const password = String(credential.reveal()['password']);
    for (const form of [password, Buffer.from(password).toString('base64'), Buffer.from(password).toString('hex')]) {
      expect(all.includes(form)).toBe(false);
    }
    expect(all.includes('SCRAM-SHA-256$4096:')).toBe(true);
    expect(all.includes('search_path=pg_catalog,pg_temp')).toBe(true);
    await broker.end(record, handle, 'expiry', forever);
    await broker.close();
  });

  test('a mint is two messages once the set-up is known to be safe', async () => {
    const { provider: broker, proxy } = await harness.proxied();
    const one = plan();
    const first = await broker.mint(one.plan, forever);
    const messages = proxy.count({ from: 'frontend' });
    const two = plan();
    const second = await broker.mint(two.plan, forever);
    expect(messages.n).toBe(2);
    await broker.end(one.record, first.handle, 'expiry', forever);
    await broker.end(two.record, second.handle, 'expiry', forever);
    await broker.close();
  });
});
