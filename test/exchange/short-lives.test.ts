import type { GrantId } from '../../src/domain/ids.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import { caller, codeOf, lives, makeWorld, PROFILE, REQUEST } from './world.ts';
import type { World } from './world.ts';

/** Credentials that end before their grant (a child of a session): each its own mint, the grant with the end that was decided. */
let world: World;
beforeAll(async () => {
  world = await makeWorld({ provider: memoryProvider({ credentialSeconds: 60 }) });
});
afterAll(() => world.close());
afterEach(() => world.activate({}));

const issue = (ttlSeconds?: number) => world.issue(caller(), { ...REQUEST, ttlSeconds });
const renew = (grant: GrantId, ttlSeconds?: number) => world.renew(caller(), { grant, ttlSeconds });
const ofGrant = async (grant: GrantId) => world.record.grant(grant);
const mintsOf = async (grant: GrantId) =>
  (await world.context.ledger.grants.find(grant))?.mints.map(({ kind, state }) => `${kind} ${state}`);
const secondsBetween = (from: Date, to: Date) => Math.round((to.getTime() - from.getTime()) / 1000);

test('the answer says both ends', async () => {
  const issued = await issue(300);
  expect(secondsBetween(issued.issuedAt, issued.expiresAt)).toBe(300);
  expect(secondsBetween(issued.issuedAt, issued.credentialExpiresAt)).toBe(60);
});

test('renewing without a life fetches the next one, decided again, and the grant keeps its end', async () => {
  const first = await issue(300);
  const { expires_at: end } = await ofGrant(first.grant);
  const next = await renew(first.grant);
  expect(next).toMatchObject({ grant: first.grant, expiresAt: end, ttl: { seconds: 300, decidedBy: 'request' } });
  expect(next.decision.id).not.toBe(first.decision.id);
  expect(lives(world.provider, next)).toBe(true);
  expect((await ofGrant(first.grant)).expires_at).toEqual(end);
  expect(await mintsOf(first.grant)).toEqual(['first live', 'child live']);
});

test('renewing for a life moves the end of the grant, and never back', async () => {
  const first = await issue(300);
  const longer = await renew(first.grant, 600);
  expect(secondsBetween(longer.issuedAt, longer.expiresAt)).toBe(600);
  const shorter = await renew(first.grant, 100);
  expect(shorter.expiresAt).toEqual(longer.expiresAt);
  expect(await mintsOf(first.grant)).toEqual(['first live', 'renewal live', 'renewal live']);
});

test('a credential that has ended does not end its grant: the next one can still be had', async () => {
  const { grant } = await issue(300);
  await world.record.age(grant, 61);
  await world.context.ledger.reaping.advanceDue(500);
  await world.settleGrant(grant);
  expect(await mintsOf(grant)).toEqual(['first ended']);
  expect((await ofGrant(grant)).state).toBe('active');
  expect(lives(world.provider, await renew(grant))).toBe(true);
});

test('the last one ends with its grant, however little is left, and there is none after it', async () => {
  const { grant, task } = await issue(300);
  await world.record.age(grant, 295);
  const last = await renew(grant);
  expect(last.credentialExpiresAt).toEqual(last.expiresAt);
  await world.record.age(grant, 5);
  expect(await codeOf(renew(grant))).toBe('grant_not_active');
  const said = await renew(grant).catch((error: unknown) => error);
  const { id } = (said as { facts: { decision: { id: string } } }).facts.decision;
  const sql = 'select action, resource, grant_id, task_id, outcome, code from decisions where id = $1';
  expect(await world.record.sql(sql, [id])).toEqual([
    {
      action: 'renew',
      resource: PROFILE.name,
      grant_id: grant,
      task_id: task,
      outcome: 'deny',
      code: 'grant_not_active',
    },
  ]);
});

test('revoking the grant ends them all', async () => {
  const first = await issue(300);
  const next = await renew(first.grant);
  const actor = { kind: 'system', name: 'test' } as const;
  const view = await world.revoke({ grant: first.grant, reason: 'enough', actor, origin: null });
  expect(view.state).toBe('revoked');
  expect([first, next].map((each) => lives(world.provider, each))).toEqual([false, false]);
  expect(await codeOf(renew(first.grant))).toBe('grant_not_active');
});

test('an approved grant: its children rest on the approval, a longer life does not', async () => {
  const task = await world.record.task({ mode: 'supervised' });
  await world.activate({ profiles: [{ ...PROFILE, effect: 'write' }] });
  const pending = await world.request(caller(), { ...REQUEST, task, ttlSeconds: 300 });
  if (!('approval' in pending)) throw new Error('nobody was asked');
  await world.record.answer({ approval: pending.approval.id });
  const first = await world.claim(caller(), { grant: pending.grant });
  expect(lives(world.provider, await renew(first.grant))).toBe(true);
  expect(await codeOf(renew(first.grant, 600))).toBe('approval_required');

  // of what was approved something has changed: nothing rests on it any more, and it is on record as what was asked
  await world.activate({ profiles: [{ ...PROFILE, effect: 'write', section: { more: true } }] });
  const said = await renew(first.grant).catch((error: unknown) => error);
  expect(said).toMatchObject({ code: 'approval_required', facts: { changed: true } });
  const { id } = (said as { facts: { decision: { id: string } } }).facts.decision;
  const sql = 'select action, outcome, code, grant_id from decisions where id = $1';
  expect(await world.record.sql(sql, [id])).toEqual([
    { action: 'renew', outcome: 'deny', code: 'approval_required', grant_id: first.grant },
  ]);
});

test('a child is refused where the rules of now refuse it', async () => {
  const { grant } = await issue(300);
  await world.activate({ answer: { outcome: 'deny', policies: [], controls: [], errors: [] } });
  expect(await codeOf(renew(grant))).toBe('policy_denied');
});
