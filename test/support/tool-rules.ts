import type { RuleFiles } from '../../src/config/index.ts';
import { profile, TOOLS_AUDIENCE, withSchema } from './running-broker-rules.ts';

/** A tool's file, as a map entry. `more` are further lines. */
export function tool(name: string, ...more: readonly string[]): RuleFiles {
  const own = more.map((line) => line.split(':')[0]);
  const usual = [
    'owner: payments',
    'environment: test',
    'effect: read',
    `audience: "${TOOLS_AUDIENCE}"`,
    'arguments: { type: object, properties: {} }',
  ];
  const lines = [`name: "${name}"`, ...usual.filter((line) => !own.includes(line.split(':')[0])), ...more, ''];
  return { [`tools/${name.replaceAll(/[^a-z]/g, '-')}.yaml`]: lines.join('\n') };
}

/**
 * Tools that differ in what stands in the way: `search` needs nothing, `refund` a grant and above its limit an approval, `cancel` denies above
 * its limit, `own` is nobody's but the workload's, `mcp.*` is many.
 */
export const TOOLS: RuleFiles = {
  ...tool(
    'search',
    'arguments: { type: object, properties: { text: { type: string, maxLength: 50 }, limit: { type: integer, maximum: 100 } } }',
    'mapping: { limit: { type: Long, cel: arguments.limit, when: has(arguments.limit) } }',
    'record: { arguments: all }',
  ),
  ...tool(
    'refund',
    'effect: purchase',
    'profiles: [lookup, ticket]',
    `arguments: { type: object, required: [order, amount], properties: { order: { type: string, pattern: "^[0-9]{1,6}$", maxLength: 6 },
      amount: { type: number }, note: { type: string } } }`,
    'mapping: { order: { type: String, cel: arguments.order }, amount_cents: { type: Long, cel: "minor(arguments.amount, 2)" } }',
    'limits: { amount_cents: { max: 50000, above: approval } }',
    'record: { arguments: redacted, redact: [/note] }',
    'report: true',
  ),
  ...tool(
    'cancel',
    'effect: delete',
    'arguments: { type: object, properties: { orders: { type: array, maxItems: 20, items: { type: string } } } }',
    `mapping: { count: { type: Long, cel: "size(arguments.orders)" }, orders: { type: SetOfString, cel: arguments.orders } }`,
    'limits: { count: { max: 3 } }',
  ),
  'tools/own.yaml': [
    'name: own',
    'owner: orders',
    'environment: test',
    'effect: read',
    'arguments: { type: object, additionalProperties: true }',
    '',
  ].join('\n'),
  ...tool('mcp.*', 'owner: platform', 'arguments: { type: object, additionalProperties: true }'),
};

export const CALL_POLICIES = `
@id("agents-read")
permit (principal in Trust::"mesh", action in [Action::"issue", Action::"renew"], resource);

@id("agents-call") @control("TEST:CALL")
permit (principal in Trust::"mesh", action == Action::"call", resource)
when { resource.name != "mcp.forbidden" };

@id("no-order-thirteen")
forbid (principal, action == Action::"call", resource)
when { context.arguments has order && context.arguments.order == "13" };

@id("suspended")
forbid (principal in Group::"mesh/suspended", action, resource);

@id("nights-need-approval") @requires("approval")
forbid (principal, action == Action::"call", resource == Tool::"mcp.night")
unless { context has approval };

@id("orders-of-the-grant")
forbid (principal, action == Action::"call", resource == Tool::"refund")
when { context has grant && context.grant.parameters has ticket && context.arguments has order && context.grant.parameters.ticket != context.arguments.order };
`;

export const callRules = (more: RuleFiles = {}): RuleFiles =>
  withSchema({
    ...profile('lookup', 'tools', 'owner: payments', `jwt: { audience: "${TOOLS_AUDIENCE}" }`),
    ...profile('other', 'tools', `jwt: { audience: "${TOOLS_AUDIENCE}" }`),
    ...profile(
      'ticket',
      'tools',
      'parameters: { ticket: { pattern: "[0-9]{1,6}" } }',
      `jwt: { audience: "${TOOLS_AUDIENCE}", claims: { ticket: "{{parameters.ticket}}" } }`,
    ),
    'policies/calls.cedar': CALL_POLICIES,
    ...TOOLS,
    ...more,
  });
