import type { JsonObject } from '../../src/domain/json.ts';
import type { Parameters, Profile } from '../../src/domain/profile.ts';
import { NAMES, type Names } from './vault-setup.ts';

/** The shapes of credentials that the provider makes, each with a profile of its own. */
export const SHAPES = ['token', 'wrapped', 'secret', 'entity', 'policy'] as const;
export type Shape = (typeof SHAPES)[number];

export const PARAMETERS: Parameters = { month: '2026-10' };

export function sectionOf(shape: Shape, { role, prefix, database }: Names = NAMES): JsonObject {
  const policies = (name: string) => ({ token_role: role, policies: [`${prefix}${name}`] });
  switch (shape) {
    case 'token':
      return policies('inv');
    case 'wrapped':
      return { ...policies('inv'), wrap: true };
    case 'secret':
      return { ...policies('db'), secret: `${database}/creds/readonly` };
    case 'entity':
      return { ...policies('inv-month'), entity: { metadata: { month: '{{parameters.month}}' } } };
    case 'policy':
      return {
        token_role: role,
        allow_policy_template: true,
        policy_template: 'path "secret/data/inv/{{parameters.month}}/*" { capabilities = ["read"] }',
      };
  }
}

export function vaultProfile(section: JsonObject, name = 'invoices-read'): Profile {
  return {
    name,
    provider: 'vault-main',
    owner: 'payments',
    environment: 'test',
    effect: 'read',
    ttl: { default: 900, max: 3_600, min: 1 },
    parameters: { month: { pattern: '.*', optional: false } },
    section,
  };
}
