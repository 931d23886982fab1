import { freshSchema, SCHEMA_FILE } from '../../src/config/index.ts';
import type { ProviderName, RuleFiles } from '../../src/config/index.ts';
import { makeCedarCompiler } from '../../src/policy/index.ts';
import { providerKinds } from '../../src/providers/index.ts';

/** The providers of a running broker's `writ.yaml`: two that work, one that is off, one whose server is not there. */
export const PROVIDERS: readonly ProviderName[] = [
  { name: 'orders-db', kind: 'postgres', on: true },
  { name: 'tools', kind: 'jwt', on: true },
  { name: 'off', kind: 'jwt', on: false },
  { name: 'gone-db', kind: 'postgres', on: true },
  { name: 'aws-main', kind: 'aws', on: true },
  { name: 'vault-main', kind: 'vault', on: true },
];

/** The audience whose resource server is registered and introspects, and one that verifies offline. */
export const TOOLS_AUDIENCE = 'https://tools.test';
export const OFFLINE_AUDIENCE = 'https://offline.test';

/** Adds the schema that follows from the profiles. */
export function withSchema(files: RuleFiles): RuleFiles {
  const deps = { providers: PROVIDERS, providerKinds, policyCompiler: makeCedarCompiler() };
  return { ...files, [SCHEMA_FILE]: freshSchema(files, deps) };
}

/** A profile's file, as a map entry. `more` are further lines. */
export function profile(name: string, provider: string, ...more: readonly string[]): RuleFiles {
  const own = more.map((line) => line.split(':')[0]);
  const usual = ['owner: orders', 'environment: test', 'effect: read', 'ttl: { default: 5m, max: 1h, min: 10s }'];
  const lines = [
    `name: ${name}`,
    `provider: ${provider}`,
    ...usual.filter((line) => !own.includes(line.split(':')[0])),
  ];
  return { [`profiles/${name}.yaml`]: [...lines, ...more, ''].join('\n') };
}

const lookup = (audience: string) => `jwt: { audience: "${audience}", scope: "lookup" }`;

/**
 * What is offered: logins (`orders-read`), tokens (`lookup`; `ticket`, with parameters; `offline`, which nobody
 * introspects), and profiles that are refused each for another reason.
 */
export function sampleRules(readonlyRole: string): RuleFiles {
  const login = `postgres: { roles: [${readonlyRole}], connection_limit: 2 }`;
  return withSchema({
    ...profile('orders-read', 'orders-db', 'parameters: { region: { pattern: "[a-z]{2}", optional: true } }', login),
    ...profile('lookup', 'tools', 'owner: payments', lookup(TOOLS_AUDIENCE)),
    ...profile(
      'ticket',
      'tools',
      'owner: payments',
      'environment: staging',
      'parameters: { ticket: { pattern: "[0-9]{1,6}" }, note: { pattern: ".*", optional: true } }',
      `jwt: { audience: "${TOOLS_AUDIENCE}", claims: { ticket: "{{parameters.ticket}}" } }`,
    ),
    ...profile('offline', 'tools', lookup(OFFLINE_AUDIENCE)),
    ...profile('refund', 'tools', 'effect: purchase', lookup(TOOLS_AUDIENCE)),
    ...profile('forbidden', 'tools', 'effect: delete', lookup(TOOLS_AUDIENCE)),
    ...profile('off', 'off', lookup(TOOLS_AUDIENCE)),
    ...profile('gone', 'gone-db', 'postgres: { roles: [nobody] }'),
    'policies/agents.cedar': POLICIES,
  });
}

const POLICIES = `
@id("agents-read")
permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource)
when { resource.effect == "read" && context.task.purpose != "" };

@id("tickets-are-short") @max_ttl("4m")
permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource == Profile::"ticket");

@id("brief-reads")
permit (principal in Trust::"brief", action == Action::"issue", resource == Profile::"lookup");

@id("companies-look-up")
permit (principal in Trust::"one", action in [Action::"issue", Action::"renew"], resource == Profile::"lookup");

@id("agents-refund")
permit (principal in Trust::"mesh", action == Action::"issue", resource == Profile::"refund");

@id("purchases-need-approval") @requires("approval") @control("TEST:1")
forbid (principal, action, resource is Profile) when { resource.effect == "purchase" } unless { context has approval };

@id("nothing-is-deleted")
forbid (principal, action, resource is Profile) when { resource.effect == "delete" };
`;
