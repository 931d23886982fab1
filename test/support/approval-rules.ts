import type { RuleFiles } from '../../src/config/index.ts';
import { CALL_POLICIES, tool, TOOLS } from './tool-rules.ts';
import { profile, sampleRules, TOOLS_AUDIENCE, withSchema } from './running-broker-rules.ts';

const token = `jwt: { audience: "${TOOLS_AUDIENCE}" }`;

/**
 * What waits for one person (`refund`), for three (`wire`), what an exception may let through (`frozen`), what no exception does
 * (`sealed`), and what takes both (`guarded`); and the tools of calls.
 */
export function approvalRules(readonlyRole: string): RuleFiles {
  return withSchema({
    ...sampleRules(readonlyRole),
    ...profile('wire', 'tools', 'owner: treasury', 'effect: write', token),
    ...profile('frozen', 'tools', 'owner: payments', 'effect: write', token),
    ...profile('sealed', 'tools', 'owner: payments', 'effect: write', token),
    ...profile('guarded', 'tools', 'owner: payments', 'effect: write', token),
    ...TOOLS,
    ...tool('freeze', 'effect: write'),
    'policies/waiting.cedar': POLICIES,
    'policies/calls.cedar': CALL_POLICIES.replace(/@id\("agents-read"\)[^;]*;/, ''),
  });
}

/** Whoever signs in as a person at the operators' issuer is a workload as well, under the trust entry `people`. */
export const PEOPLE_TOO = {
  trust: [
    { name: 'mesh', kind: 'spiffe', trust_domain: 'test.example', bundle: { file: 'bundle.json' }, vouches_for: '2h' },
    { name: 'people', kind: 'oidc', issuer: 'https://sso.test', jwks: { file: 'operators.json' } },
  ],
};

/** Roles by group, as usual; and some that reach no further than one owner. */
export const LIMITED = {
  trust: [
    {
      issuer: 'https://sso.test',
      audience: 'writ-operators',
      jwks: { file: 'operators.json' },
      roles: {
        platform: [{ groups: ['platform'] }, { groups: ['treasury-platform'], owners: ['treasury'] }],
        security: [{ groups: ['security'] }, { groups: ['treasury-security'], owners: ['treasury'] }],
        approver: [{ groups: ['approver'] }, { groups: ['treasury-approver'], owners: ['treasury'] }],
        auditor: { groups: ['auditor'] },
      },
    },
  ],
};

const POLICIES = `
@id("writes")
permit (principal, action in [Action::"issue", Action::"renew"], resource is Profile) when { resource.effect == "write" };

@id("people-refund")
permit (principal in Trust::"people", action == Action::"issue", resource == Profile::"refund");

@id("wires-need-three") @requires("approval: 2 of security and 1 of approver")
forbid (principal, action, resource == Profile::"wire") unless { context has approval };

@id("freeze") @overridable("exception")
forbid (principal, action, resource == Profile::"frozen");

@id("seal")
forbid (principal, action, resource == Profile::"sealed");

@id("guard") @overridable
forbid (principal, action, resource == Profile::"guarded");

@id("guarded-needs-approval") @requires("approval")
forbid (principal, action, resource == Profile::"guarded") unless { context has approval };

@id("freeze-calls") @overridable
forbid (principal, action == Action::"call", resource == Tool::"freeze");
`;
