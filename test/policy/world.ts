import type { Profile } from '../../src/domain/profile.ts';
import { generateSchema, makeCedarCompiler } from '../../src/policy/index.ts';
import type { PolicySet, ProfileRequest } from '../../src/policy/index.ts';

export const profile = (changes: Partial<Profile> = {}): Profile => ({
  name: 'invoices',
  provider: 'main',
  owner: 'payments',
  environment: 'production',
  effect: 'read',
  ttl: { default: 600, max: 3600, min: 10 },
  parameters: { month: { pattern: '[0-9-]+', optional: true } },
  section: {},
  ...changes,
});

export const schema = generateSchema([profile()]);

/** Policies of one file, compiled by a compiler of their own. */
export function compile(text: string): PolicySet {
  return makeCedarCompiler().compile({ 'policies/a.cedar': text }, schema);
}

interface Changes {
  readonly principal?: Partial<ProfileRequest['principal']>;
  readonly action?: ProfileRequest['action'];
  readonly resource?: Partial<ProfileRequest['resource']>;
  readonly context?: Partial<Omit<ProfileRequest['context'], 'task'>>;
  readonly task?: Partial<ProfileRequest['context']['task']>;
}

/** A workload of the trust entry `mesh` asks for `invoices`, with these differences. */
export function request(changes: Changes = {}): ProfileRequest {
  const { name, provider, owner, environment, effect } = profile();
  return {
    principal: { trust: 'mesh', id: 'spiffe://prod.example/agent', groups: [], attributes: {}, ...changes.principal },
    action: changes.action ?? 'issue',
    resource: { profile: name, provider, owner, environment, effect, ...changes.resource },
    context: {
      task: { purpose: 'why', mode: 'autonomous', environment, implicit: true, ...changes.task },
      parameters: {},
      requestedTtl: 600,
      now: '2026-11-23T12:00:00Z',
      ...changes.context,
    },
  };
}

export const APPROVAL = { id: 'a1', by: ['https://sso.example alice'] };
