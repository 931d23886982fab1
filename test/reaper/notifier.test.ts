import type { ApprovalId } from '../../src/domain/ids.ts';
import type { Notice } from '../../src/ledger/index.ts';
import { startNotifier } from '../../src/reaper/notifier.ts';
import { makeWorld, OPERATOR } from '../ledger/world.ts';
import type { World } from '../ledger/world.ts';
import { until } from '../support/waiting.ts';

/** The outbox of approvals: written with the request, delivered by whoever comes first, tried on, given up, never in the way. */
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
afterEach(() => world.sql(`update approval_notices set state = 'void', closed_at = now() where state = 'pending'`));

const CHANNEL = 'chat.test/1';
const row = async (approval: ApprovalId, target = CHANNEL) =>
  (
    await world.sql('select state, attempts, last_error from approval_notices where approval_id = $1 and target = $2', [
      approval,
      target,
    ])
  )[0];
const due = (approval: ApprovalId) =>
  world.sql('update approval_notices set due_at = now() where approval_id = $1', [approval]);

function start(deliver: (notice: Notice) => Promise<string | null>, owner = 'one', targets = [CHANNEL]) {
  const warnings: object[] = [];
  const note = (facts: object) => void warnings.push(facts);
  const notifier = startNotifier(
    {
      ledger: world.ledger,
      owner,
      approvals: { lifetimeSeconds: 600, notify: targets, maxOpen: 10 },
      log: { info: note, warn: note, error: note },
    },
    deliver,
  );
  return { ...notifier, warnings };
}

test('told once, by one of several processes', async () => {
  const told: string[] = [];
  const deliver =
    (who: string) =>
    async ({ approval }: Notice) => {
      told.push(`${who} ${approval}`);
      return null;
    };
  const notifiers = [start(deliver('one'), 'one'), start(deliver('two'), 'two')];
  const { approval } = await world.pending({ notify: [CHANNEL] });
  for (const { wake } of notifiers) wake();
  await until(async () => (await row(approval))?.['state'] === 'sent');
  await Promise.all(notifiers.map(({ stop }) => stop()));
  expect(told.filter((line) => line.endsWith(approval))).toHaveLength(1);
});

test('with everything that is asked', async () => {
  let seen: Notice | undefined;
  const { approval, grant } = await world.pending({ notify: [CHANNEL] });
  const { stop } = start(async (notice) => {
    seen = notice;
    return null;
  });
  await until(async () => seen !== undefined);
  await stop();
  expect(seen).toMatchObject({
    approval,
    grant,
    target: CHANNEL,
    kind: 'issue',
    subject: 'spiffe://dev.local/agent/one',
    resource: 'orders-read',
    asked: { plan: { role: 'reader' } },
    needs: [{ role: 'approver', count: 1 }],
  });
});

test('what failed is tried again later, with what was wrong on record', async () => {
  let answer: string | null = 'status_500';
  const { approval } = await world.pending({ notify: [CHANNEL] });
  const notifier = start(async () => answer);
  await until(async () => (await row(approval))?.['attempts'] === 1);
  expect(await row(approval)).toEqual({ state: 'pending', attempts: 1, last_error: 'status_500' });
  expect(notifier.last().get(CHANNEL)).toBe('status_500');
  expect(notifier.warnings).toContainEqual(expect.objectContaining({ approval, code: 'status_500' }));
  answer = null;
  await due(approval);
  notifier.wake();
  await until(async () => (await row(approval))?.['state'] === 'sent');
  expect(notifier.last().get(CHANNEL)).toBeNull();
  await notifier.stop();
});

test('it is given up after twelve, loudly', async () => {
  const { approval } = await world.pending({ notify: [CHANNEL] });
  await world.sql('update approval_notices set attempts = 11 where approval_id = $1', [approval]);
  const before = await world.ledger.notices.counts();
  const { stop } = start(async () => 'timeout');
  await until(async () => (await row(approval))?.['state'] === 'dead');
  await stop();
  expect((await world.ledger.notices.counts()).dead).toBe(before.dead + 1);
  const [event] = await world.sql(
    `select body::jsonb -> 'facts' as facts, body::jsonb ->> 'success' as ok from events where type = 'approval.untold' and body::jsonb ->> 'resource' = $1`,
    [approval],
  );
  expect(event).toEqual({ ok: 'false', facts: { approval, target: CHANNEL, attempts: 12, error: 'timeout' } });
});

test.each([
  { name: 'answered', ends: 'void', close: (approval: ApprovalId) => world.answer({ approval }, 'approve', OPERATOR) },
  {
    name: 'over without an answer',
    ends: 'dead',
    close: async (approval: ApprovalId) => {
      await world.sql(`update approvals set expires_at = now() - interval '1 second' where id = $1`, [approval]);
      await world.sql(
        `update grants set expires_at = now() - interval '1 second' where id = (select grant_id from approvals where id = $1)`,
        [approval],
      );
      await world.ledger.approvals.lapse(100);
    },
  },
])('what is $name is told nobody: $ends', async ({ ends, close }) => {
  const told: string[] = [];
  const { approval } = await world.pending({ notify: [CHANNEL] });
  await close(approval);
  const { stop } = start(async (notice) => {
    told.push(notice.approval);
    return null;
  });
  await until(async () => (await row(approval))?.['state'] === ends);
  await stop();
  expect(told).not.toContain(approval);
});

test('a channel that this process does not know waits for one that does', async () => {
  const { approval } = await world.pending({ notify: ['other.test/2'] });
  const notifier = start(async () => null);
  notifier.wake();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await notifier.stop();
  expect(await row(approval, 'other.test/2')).toMatchObject({ state: 'pending', attempts: 0 });
});

test('of two channels each is told for itself', async () => {
  const both = [CHANNEL, 'other.test/2'];
  const { approval } = await world.pending({ notify: both });
  const { stop } = start(async ({ target }) => (target === CHANNEL ? null : 'status_500'), 'one', both);
  await until(async () => (await row(approval, 'other.test/2'))?.['attempts'] === 1);
  await until(async () => (await row(approval))?.['state'] === 'sent');
  await stop();
  expect((await row(approval, 'other.test/2'))?.['state']).toBe('pending');
});

test('a process that died with a claim is taken over from, and what it says afterwards does not count', async () => {
  const { approval } = await world.pending({ notify: [CHANNEL] });
  const by = { targets: [CHANNEL], limit: 10, lease_seconds: 0.2 };
  expect((await world.ledger.notices.claim({ ...by, owner: 'dead' })).map((notice) => notice.approval)).toContain(
    approval,
  );
  expect(await world.ledger.notices.claim({ ...by, owner: 'alive' })).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect((await world.ledger.notices.claim({ ...by, owner: 'alive' })).map((notice) => notice.approval)).toContain(
    approval,
  );
  const settling = { approval, target: CHANNEL, error: null, delay_seconds: 1, dead_after: 12 };
  expect(await world.ledger.notices.settle({ ...settling, owner: 'dead' })).toBeUndefined();
  expect(await world.ledger.notices.settle({ ...settling, owner: 'alive' })).toBe('sent');
});
