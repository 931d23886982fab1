import type { JsonObject } from '../../src/domain/json.ts';
import { makeIntrospect, makeRevokeToken } from '../../src/exchange/introspect.ts';
import type { Client } from '../../src/exchange/clients.ts';
import { makeTaskTokens } from '../../src/exchange/task-token.ts';
import type { TokenClass } from '../../src/keys/classes.ts';
import type { Issued } from '../../src/exchange/issue.ts';
import { caller, codeOf, lives, makeWorld, REQUEST } from './world.ts';
import type { World } from './world.ts';

const ISSUER = 'https://writ.test';
const GATEWAY: Client = {
  name: 'gateway',
  trust: 'mesh',
  id: 'gateway',
  may: ['introspect'],
  audiences: ['https://tools.test'],
};

let world: World;
let tokens: Map<string, JsonObject>;
beforeAll(async () => {
  world = await makeWorld();
});
beforeEach(() => {
  tokens = new Map();
});
afterAll(() => world.close());
afterEach(() => world.record.calm());

/** Tokens are looked up instead of verified: what a signature says is the key ring's business. */
function parts(clients: readonly Client[] = [GATEWAY]) {
  const verify = async (tokenClass: TokenClass, token: string) =>
    tokenClass === 'access' ? tokens.get(token) : undefined;
  const tasks = makeTaskTokens({ issuer: ISSUER, clock: world.context.clock, sign: async () => '', verify });
  return { clients, issuer: ISSUER, verify, tasks };
}
async function token(change: JsonObject = {}, by = 'agent'): Promise<{ issued: Issued; token: string }> {
  const issued = await world.issue(caller(by), REQUEST);
  const mint = world.provider.calls.at(-1)?.mint ?? '';
  const exp = Math.floor(issued.credentialExpiresAt.getTime() / 1000);
  tokens.set(mint, { iss: ISSUER, aud: 'https://tools.test', sub: by, jti: mint, exp, ...change });
  return { issued, token: mint };
}
const introspect = (by: string, shown: string, clients?: readonly Client[]) =>
  makeIntrospect(world.context, parts(clients))(caller(by), shown);

test('a token that counts: its claims', async () => {
  const { token: shown } = await token();
  expect(await introspect('gateway', shown)).toEqual({ active: true, token_type: 'Bearer', ...tokens.get(shown) });
});

test.each([
  { name: 'revoked', step: async ({ grant }: Issued) => world.record.revoke({ grant }) },
  {
    name: 'past its grant’s end, before the reaper came round',
    step: async ({ grant }: Issued) => world.record.age(grant, 300),
  },
  {
    name: 'under an order, before its sweep',
    step: () => world.record.order({ kind: 'agent', value: 'agent' }),
  },
  {
    name: 'under an order that does not block, before its sweep',
    step: () => world.record.order({ kind: 'agent', value: 'agent' }, false),
  },
])('inactive from the moment its grant ends: $name', async ({ step }) => {
  const { issued, token: shown } = await token();
  expect(await introspect('gateway', shown)).toMatchObject({ active: true });
  await step(issued);
  expect(await introspect('gateway', shown)).toBeUndefined();
});

test.each([
  { name: 'of another issuer', change: { iss: 'https://other.test' } },
  { name: 'past its own end', change: { exp: Math.floor(Date.now() / 1000) - 1 } },
  { name: 'for an audience that is not the client’s', change: { aud: 'https://else.test' } },
  { name: 'without an id', change: { jti: '' } },
  { name: 'of an unknown mint', change: { jti: 'm000000000000000000000' } },
])('inactive: a token $name', async ({ change }) => {
  const { token: shown } = await token(change);
  expect(await introspect('gateway', shown)).toBeUndefined();
});

test('inactive: what is no token at all', async () => {
  expect(await introspect('gateway', 'nonsense')).toBeUndefined();
});

test.each([
  { name: 'its own', by: 'agent', clients: [], answer: 'active' },
  { name: 'another’s, without being a client', by: 'stranger', clients: [], answer: 'not_a_client' },
  {
    name: 'another’s, as a client that may only evaluate',
    by: 'gateway',
    clients: [{ ...GATEWAY, may: ['evaluate'] }],
    answer: 'not_a_client',
  },
  {
    name: 'another’s, as a namesake of a client',
    by: 'gateway',
    clients: [{ ...GATEWAY, trust: 'corp' }],
    answer: 'not_a_client',
  },
  { name: 'nonsense, without being a client', by: 'stranger', clients: [], shown: 'nonsense', answer: 'not_a_client' },
] as const)('who may ask about $name: $answer', async ({ by, clients, answer, ...rest }) => {
  const { token: shown } = await token();
  const asked = introspect(by, 'shown' in rest ? rest.shown : shown, clients);
  if (answer === 'active') expect(await asked).toMatchObject({ active: true });
  else expect(await codeOf(asked)).toBe(answer);
});

describe('giving a token back', () => {
  const giveBack = (by: string, shown: string) =>
    makeRevokeToken(world.context, parts(), world.revoke, () => Promise.reject(new Error('not a task')))(
      caller(by),
      shown,
    );

  test.each([
    { name: 'its holder', by: 'agent', ended: true },
    { name: 'somebody else', by: 'stranger', ended: false },
    { name: 'a client', by: 'gateway', ended: false },
  ])('by $name', async ({ by, ended }) => {
    const { issued, token: shown } = await token();
    await giveBack(by, shown);
    expect(lives(world.provider, issued)).toBe(!ended);
    expect((await introspect('gateway', shown)) === undefined).toBe(ended);
  });

  test.each(['nonsense', 'm000000000000000000000'])('an unknown one is as good as given back: %s', async (shown) => {
    tokens.set('m000000000000000000000', { iss: ISSUER, jti: 'm000000000000000000000' });
    await giveBack('agent', shown);
  });
});
