import type { Json, JsonObject } from '../../domain/json.ts';
import { isJsonObject } from '../../domain/json.ts';
import { fillObject, type Fill } from '../template.ts';

/** The one version of the policy language that has variables, which `escaped` is written in. */
export const POLICY_VERSION = '2012-10-17';

/**
 * A value as it stands for itself in a policy: IAM reads `*` and `?` as wildcards and `${...}` as a variable, and has
 * `${*}`, `${?}` and `${$}` for the characters themselves.
 */
export function escaped(value: string): string {
  return value.replace(/[*?$]/g, (character) => `\${${character}}`);
}

export interface SessionPolicy {
  /** The profile's, where it has one. */
  readonly template: JsonObject | undefined;
  readonly fill: Fill;
  /** Managed policies narrow the session too; what several session policies allow is added up. */
  readonly managed: boolean;
  readonly endsAt: Date;
  readonly allowSts: boolean;
  /** The session stays with the broker, who makes children of it. */
  readonly parent: boolean;
}

/**
 * The inline policy of a session. It narrows what its role may do, so something must be allowed in it; where managed
 * policies are to do that, an allowance here would undo them.
 */
export function sessionPolicy({ template, fill, managed, endsAt, allowSts, parent }: SessionPolicy): string {
  const filled = template ? statementsOf(fillObject(template, (name) => escaped(fill(name)))) : undefined;
  const allowed = filled ?? (managed ? [] : [ALLOW_ALL]);
  const own = parent ? [ALLOW_CHILDREN] : allowSts ? [] : [DENY_STS];
  return text([...allowed, ...own, denyAfter(endsAt)]);
}

/** A child may do what its parent may, but not make more of itself whatever else of STS it may, and only until its own end. */
export function childPolicy(endsAt: Date, allowSts: boolean): string {
  return text([ALLOW_ALL, allowSts ? DENY_CHILDREN : DENY_STS, denyAfter(endsAt)]);
}

/** For what is only asked to see whether it is answered. */
export function denyAllPolicy(): string {
  return text([{ Effect: 'Deny', Action: '*', Resource: '*' }]);
}

export const ALLOW_ALL: JsonObject = { Effect: 'Allow', Action: '*', Resource: '*' };
/** Assuming another role sheds the session's name, and a web identity token of STS outlives a revocation. */
const DENY_STS: JsonObject = { Effect: 'Deny', Action: 'sts:*', Resource: '*' };
export const ALLOW_CHILDREN: JsonObject = { Effect: 'Allow', Action: 'sts:GetScopedCredentials', Resource: '*' };
const DENY_CHILDREN: JsonObject = { ...ALLOW_CHILDREN, Effect: 'Deny' };

/** Whatever the session's own end is: STS gives none below 15 minutes. */
function denyAfter(endsAt: Date): JsonObject {
  const condition = { DateGreaterThanEquals: { 'aws:CurrentTime': policyTime(endsAt) } };
  return { Effect: 'Deny', Action: '*', Resource: '*', Condition: condition };
}

/** As policies write an instant; to the second, rounded down. */
export function policyTime(instant: Date): string {
  return `${instant.toISOString().slice(0, 19)}Z`;
}

export function statementsOf(policy: JsonObject): readonly Json[] {
  const { Statement: statements } = policy;
  if (Array.isArray(statements)) return statements as readonly Json[];
  return isJsonObject(statements) ? [statements] : [];
}

export function text(statements: readonly Json[]): string {
  return JSON.stringify({ Version: POLICY_VERSION, Statement: statements });
}
