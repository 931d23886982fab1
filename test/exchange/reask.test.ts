import type { Tool } from '../../src/domain/tool.ts';
import type { Client } from '../../src/exchange/clients.ts';
import { makeReask } from '../../src/exchange/reask.ts';
import { caller, codeOf, makeWorld, REQUEST } from './world.ts';
import type { World } from './world.ts';

/** A call that was denied is looked at again before a person is asked about it: what they are shown, and whose call it is. */
const TOOL: Tool = {
  name: 'refund',
  owner: 'support',
  environment: 'staging',
  effect: 'write',
  arguments: { type: 'object', properties: { card: { type: 'string' }, amount: { type: 'integer' } } },
  audience: 'https://tools.test',
  mapping: {},
  limits: {},
  record: { arguments: 'redacted', redact: ['/card'] },
  report: false,
};
const CALL = { action: 'call', resource: { type: 'tool', id: TOOL.name }, arguments: { card: '4711', amount: 5 } };
const ADA = { issuer: 'https://sso.test', subject: 'ada' };
const GATEWAY: Client = {
  name: 'gateway',
  trust: 'mesh',
  id: 'spiffe://dev.local/gateway',
  may: ['evaluate'],
  audiences: ['https://tools.test'],
};

let world: World;
let reask: ReturnType<typeof makeReask>;
beforeAll(async () => {
  world = await makeWorld();
  await world.activate({ tools: [TOOL] });
  reask = makeReask(world.context, [GATEWAY]);
});
afterAll(() => world.close());

test('a call of whoever asks: as a person is shown it, and who the workload is to its issuer', async () => {
  const asked = await reask(caller(undefined, ADA), CALL);
  expect(asked).toMatchObject({
    subject: { trust: 'mesh', id: 'spiffe://dev.local/agent/one' },
    asked: { tool: TOOL.name, arguments: { amount: 5 } },
    askedHash: expect.stringMatching(/^[\da-f]{64}$/),
    owner: 'support',
    environment: 'staging',
    source: ADA,
  });
  expect(JSON.stringify(asked)).not.toContain('4711');
  expect(await reask(caller(), CALL)).not.toHaveProperty('source');
});

test('a call of another, under its grant: who that one was to its issuer when it was given it, and not who asks', async () => {
  const { grant, task } = await world.issue(caller(undefined, ADA), REQUEST);
  const subject = { type: 'workload', id: 'spiffe://dev.local/agent/one', trust: 'mesh' };
  const gateway = caller(GATEWAY.id, { issuer: 'https://sso.test', subject: 'gateway' });
  const asked = await reask(gateway, { ...CALL, subject, grant });
  expect(asked).toMatchObject({ subject: { id: subject.id }, grant, task: { id: task }, source: ADA });
});

test('what would not come as far as a decision is not put before anybody', async () => {
  expect(await codeOf(reask(caller(), { ...CALL, resource: { type: 'tool', id: 'nothing' } }))).toBe(
    'invalid_denial_binding',
  );
  expect(await codeOf(reask(caller(), { ...CALL, grant: 'g0000000000000' }))).toBe('invalid_denial_binding');
});
