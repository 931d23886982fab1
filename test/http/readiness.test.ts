import { profile, TOOLS_AUDIENCE, withSchema } from '../support/running-broker-rules.ts';
import { startRunningBroker } from '../support/running-broker.ts';
import type { RunningBroker } from '../support/running-broker.ts';
import { until } from '../support/waiting.ts';

/** What /readyz shows beside what makes a broker ready. A provider's check counts the active profiles that name it. */
let broker: RunningBroker;
beforeAll(async () => {
  broker = await startRunningBroker({
    rules: withSchema({
      ...profile('nowhere', 'orders-db', 'postgres: { roles: [no_such_role] }'),
      ...profile('lookup', 'tools', `jwt: { audience: "${TOOLS_AUDIENCE}" }`),
      ...profile('own', 'tools', 'jwt: { audience: "https://writ.test" }'),
      'policies/agents.cedar':
        '@id("agents") permit (principal in Trust::"mesh", action == Action::"issue", resource);',
    }),
  });
});
afterAll(() => broker.close());

test('a role that a profile grants and that is not there, an audience that is Writ’s own', async () => {
  // The first one started with an empty ledger; this one has the rules when it checks.
  const replica = await broker.replica();
  const codes = async (provider: string) => {
    const { body } = await replica.ask('GET', '/readyz');
    const { providers } = body['checks'] as { providers: Record<string, { findings: { code: string }[] } | undefined> };
    return providers[provider]?.findings.map(({ code }) => code);
  };
  await until(async () => (await codes('orders-db')) !== undefined && (await codes('tools')) !== undefined);
  expect(await codes('orders-db')).toContain('role_missing');
  expect(await codes('tools')).toEqual(['audience_reserved']);
});

test('issuers of workloads and of operators', async () => {
  const { body } = await broker.ask('GET', '/readyz');
  const { evidence } = body['checks'] as { evidence: Record<string, { kind: string }> };
  const kinds = Object.fromEntries(Object.entries(evidence).map(([name, { kind }]) => [name, kind]));
  expect(kinds).toEqual({ mesh: 'spiffe', brief: 'spiffe', 'https://sso.test': 'operators' });
});
