import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';

/** Roles that reach some owners or environments only: what lies outside is not there, or is refused by name. */
const LIMITS = {
  everything: [{ groups: ['security'] }],
  payments: { owners: ['payments'] },
  staging: { environments: ['staging'] },
  both: { owners: ['payments'], environments: ['staging'] },
};
let broker: RunningBroker;
/** By profile: `orders-read` of orders in test, `lookup` of payments in test, `ticket` of payments in staging. */
const ids: Record<string, string> = {};
beforeAll(async () => {
  const named = Object.entries(LIMITS).flatMap(([name, limit]) =>
    Array.isArray(limit) ? limit : [{ groups: [name], ...limit }],
  );
  broker = await startRunningBroker({
    settings: {
      operators: {
        trust: [
          {
            issuer: 'https://sso.test',
            audience: 'writ-operators',
            jwks: { file: 'operators.json' },
            roles: {
              platform: [{ groups: ['platform'] }, { groups: ['payments-platform'], owners: ['payments'] }],
              security: named,
              auditor: { groups: ['auditor'] },
            },
          },
        ],
      },
    },
  });
  const asked = [{ profile: 'orders-read' }, { profile: 'lookup' }, { profile: 'ticket', parameters: { ticket: '7' } }];
  for (const json of asked) {
    const { body } = await broker.ask('POST', '/v1/grants', {
      as: broker.people.workload('agent/one'),
      json: { ...json, purpose: 'test' },
    });
    ids[json.profile] = String(body['id']);
  }
});
afterAll(() => broker.close());

const operator = (...groups: string[]) => broker.people.operator(undefined, groups.join('+'), { groups });
const statusOf = async (method: string, path: string, as: string, json?: object) => {
  const { status, code } = await broker.ask(method, path, { as, ...(json && { json }) });
  return code === undefined ? status : `${status} ${String(code)}`;
};

test.each([
  { groups: ['security'], sees: ['orders-read', 'lookup', 'ticket'] },
  { groups: ['payments'], sees: ['lookup', 'ticket'] },
  { groups: ['staging'], sees: ['ticket'] },
  { groups: ['both'], sees: ['ticket'] },
  { groups: ['payments', 'auditor'], sees: ['orders-read', 'lookup', 'ticket'] },
  { groups: ['both', 'payments'], sees: ['lookup', 'ticket'] },
])('$groups: sees $sees, in lists and one by one', async ({ groups, sees }) => {
  const as = operator(...groups);
  const { body } = await broker.ask('GET', '/v1/grants', { as });
  const listed = (body['grants'] as { profile: string }[]).map(({ profile }) => profile);
  expect(listed.sort()).toEqual([...sees].sort());
  for (const [profile, id] of Object.entries(ids)) {
    expect([profile, await statusOf('GET', `/v1/grants/${id}`, as)]).toEqual([
      profile,
      sees.includes(profile) ? 200 : '404 not_found',
    ]);
  }
  // a filter narrows what is seen, and never adds to it
  const outside = await broker.ask('GET', '/v1/grants?owner=orders', { as });
  expect((outside.body['grants'] as object[]).length).toBe(sees.includes('orders-read') ? 1 : 0);
});

test.each([
  { groups: ['payments'], profile: 'orders-read', want: '404 not_found' },
  { groups: ['payments', 'auditor'], profile: 'orders-read', want: '403 role_limited' },
  { groups: ['auditor'], profile: 'lookup', want: '403 role_missing' },
  { groups: ['staging'], profile: 'lookup', want: '404 not_found' },
])('$groups: revoking $profile is $want', async ({ groups, profile, want }) => {
  const path = `/v1/grants/${ids[profile] ?? ''}`;
  expect(await statusOf('POST', `${path}/revoke`, operator(...groups), { reason: 'test' })).toBe(want);
  expect((await broker.ask('GET', path, { as: operator('auditor') })).body['state']).toBe('active');
});

const SELECTORS = [
  { owner: 'payments' },
  { owner: 'orders' },
  { environment: 'staging' },
  { environment: 'test' },
  { agent: 'spiffe://test.example/agent/one' },
  { profile: 'lookup' },
  { provider: 'tools' },
  // what is called like an owner or an environment is neither
  { profile: 'payments' },
  { provider: 'staging' },
  { on_behalf_of: 'x' },
  { task: 't000000000000000000000' },
  { all: true },
];
test.each([
  { group: 'security', may: SELECTORS },
  { group: 'payments', may: [{ owner: 'payments' }] },
  { group: 'staging', may: [{ environment: 'staging' }] },
  { group: 'both', may: [] },
])('$group: orders $may and nothing else, in dry runs too', async ({ group, may }) => {
  for (const selector of SELECTORS) {
    const json = { selector, reason: 'test', dry_run: true };
    const allowed = may.some((each) => JSON.stringify(each) === JSON.stringify(selector));
    expect([selector, await statusOf('POST', '/v1/revocations', operator(group), json)]).toEqual([
      selector,
      allowed ? 200 : '403 role_limited',
    ]);
  }
});

test('orders that can touch more are not theirs to see or to lift', async () => {
  const order = async (selector: object) => {
    const json = { selector, reason: 'test', block: true };
    return String((await broker.ask('POST', '/v1/revocations', { as: operator('security'), json })).body['id']);
  };
  const payments = await order({ owner: 'payments-of-old' });
  const mine = await order({ environment: 'staging-of-old' });
  for (const [id, group, want] of [
    [payments, 'payments', '404 not_found'],
    [payments, 'staging', '404 not_found'],
    [mine, 'staging', '404 not_found'],
    [mine, 'security', 200],
  ] as const) {
    expect(await statusOf('GET', `/v1/revocations/${id}`, operator(group))).toBe(want);
  }
  const owned = await order({ owner: 'payments' });
  const staging = await order({ environment: 'staging' });
  for (const [group, sees] of [
    ['security', [staging, owned, mine, payments]],
    ['payments', [owned]],
    ['staging', [staging]],
    ['both', []],
  ] as const) {
    const { body } = await broker.ask('GET', '/v1/revocations?blocking=true', { as: operator(group) });
    expect([group, (body['orders'] as { id: string }[]).map(({ id }) => id)]).toEqual([group, sees]);
  }
  expect(await statusOf('GET', `/v1/revocations/${owned}`, operator('payments'))).toBe(200);
  expect(await statusOf('POST', `/v1/revocations/${owned}/lift`, operator('staging', 'auditor'), { reason: 'x' })).toBe(
    '403 role_limited',
  );
  expect(await statusOf('POST', `/v1/revocations/${owned}/lift`, operator('staging'), { reason: 'x' })).toBe(
    '404 not_found',
  );
  expect(await statusOf('POST', `/v1/revocations/${owned}/lift`, operator('payments'), { reason: 'x' })).toBe(200);
});

test('rules are everybody’s', async () => {
  const json = { files: broker.rules, dry_run: true };
  expect(await statusOf('POST', '/v1/generations', operator('payments-platform'), json)).toBe('403 role_limited');
  expect(await statusOf('POST', '/v1/generations', operator('platform'), json)).toBe(200);
});
