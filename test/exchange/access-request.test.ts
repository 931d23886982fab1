import { Fault } from '../../src/domain/errors.ts';
import type { DecisionId } from '../../src/domain/ids.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { makeAccessRequests } from '../../src/exchange/access-request.ts';
import { deniedCall } from '../ledger/calling.ts';
import { caller, codeOf, makeWorld } from './world.ts';
import type { World } from './world.ts';

/** What our token says of a denial counts for its time, for this broker, and for exactly what was asked. */
const ISSUER = 'https://writ.test';
let world: World;
let now = new Date();
let signing = true;
let change: JsonObject = {};
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  [now, signing, change] = [new Date(), true, {}];
});

/** Every token holds; what it says is its text. */
const requests = () =>
  makeAccessRequests(
    { ...world.context, clock: { ...world.context.clock, now: () => now } },
    {
      sign: (payload) =>
        signing ? Promise.resolve(JSON.stringify(payload)) : Promise.reject(new Fault('keys_unavailable')),
      verify: (token) => Promise.resolve({ ...(JSON.parse(token) as JsonObject), ...change }),
      issuer: ISSUER,
      waiting: { wait: () => Promise.resolve(), wake: () => undefined, close: () => undefined, count: () => 0 },
    },
  );
const offer = async (decision: DecisionId) =>
  requests().offer({ decision, askedHash: 'exactly', needs: [{ role: 'approver', count: 1 }] });
async function submitted(askedHash = 'exactly', later = 0): Promise<unknown> {
  const { id, trust, subject } = await deniedCall(world.record);
  const { bindingToken = '' } = (await offer(id)) ?? {};
  now = new Date(now.getTime() + later * 1000);
  const call = { subject: { trust, id: subject }, asked: {}, askedHash, owner: 'payments', environment: 'production' };
  return codeOf(requests().submit(caller(), bindingToken, call));
}

test('for ten minutes', async () => {
  expect(await submitted('exactly', 599)).toBe('done');
  expect(await submitted('exactly', 601)).toBe('expired_denial');
});

test('for what was asked', async () => {
  expect(await submitted('another')).toBe('invalid_denial_binding');
});

test('whoever the subject is to its issuer is on the way of it, whoever asks', async () => {
  const { id, trust, subject } = await deniedCall(world.record);
  const { bindingToken = '' } = (await offer(id)) ?? {};
  const source = { issuer: 'https://sso.test', subject: 'ada' };
  const about = {
    subject: { trust, id: subject },
    asked: {},
    askedHash: 'exactly',
    owner: 'o',
    environment: 'e',
    source,
  };
  expect(await requests().submit(caller(), bindingToken, about)).toMatchObject({ chain: [source] });
});

test.each<[string, JsonObject]>([
  ['another issuer', { iss: 'https://other.test' }],
  ['another audience', { aud: 'https://other.test' }],
  ['no decision', { jti: 'x' }],
  ['no end', { exp: 'never' }],
])('of %s it is none', async (_name, said) => {
  change = said;
  expect(await submitted()).toBe('invalid_denial_binding');
});

test('what a grant waits for is not shown as a request about a call', async () => {
  const waiting = await world.record.pending();
  const patience = { seconds: 0, gone: new AbortController().signal };
  expect(await codeOf(requests().show(caller(), waiting.approval, patience))).toBe('not_found');
});

test('while nothing can be signed nobody can be asked, and the denial stands', async () => {
  signing = false;
  expect(await offer((await deniedCall(world.record)).id)).toBeUndefined();
});
