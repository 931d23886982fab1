import { z } from 'zod';
import { ProviderError } from '../../domain/errors.ts';
import type { Revocability } from '../../domain/grant.ts';
import type { Parameters, Profile } from '../../domain/profile.ts';
import { fillText, type Fill } from '../template.ts';
import type { SectionOf } from '../own.ts';
import type { MintRequest, Plan } from '../provider.ts';
import { accountOf, maxSessionOf, type AwsConfig, type AwsSection } from './config.ts';
import type { Known } from './known.ts';
import { limitPassed, requirePolicyText, requireWithin, SHORTEST_SESSION, tagValueFault } from './limits.ts';
import { sessionName, sourceIdentity } from './names.ts';
import { childPolicy, sessionPolicy } from './policy.ts';

/** Asked for beyond the planned end, where the role's maximum allows it: the policies end a session to the second. */
const MARGIN_SECONDS = 60;
const CHILD_MARGIN_SECONDS = 2;
/** From an order to its deny list: what writing takes, beside the wait for it to count. */
const WRITING_SECONDS = 5;

const instant = z.iso.datetime({ precision: 3 });
const assumeRole = z.strictObject({
  RoleArn: z.string(),
  RoleSessionName: z.string(),
  DurationSeconds: z.int().min(SHORTEST_SESSION),
  Policy: z.string(),
  PolicyArns: z.array(z.strictObject({ arn: z.string() })).exactOptional(),
  Tags: z.array(z.strictObject({ Key: z.string(), Value: z.string() })),
  TransitiveTagKeys: z.array(z.string()),
  ExternalId: z.string().exactOptional(),
  SourceIdentity: z.string().exactOptional(),
});
export type AssumeRole = z.infer<typeof assumeRole>;

const child = z.strictObject({
  DurationSeconds: z.int().min(1),
  Policy: z.string(),
  ScopedSessionDescription: z.string(),
});

/**
 * A plan's `request`. `assume_role` is asked as it stands; where there is a `child`, only while no session of this grant is at
 * hand, and the session stays with the broker. `account`, `role_arn` and `source_identity` are what denials are counted by.
 */
export const AwsRequest = z.strictObject({
  /** Whether it is a session that is handed out, or a child of one that is not. */
  mode: z.enum(['session', 'child']),
  region: z.string(),
  account: z.string(),
  role_arn: z.string(),
  session_name: z.string(),
  source_identity: z.string().exactOptional(),
  /** When the credential is useless at the latest, by its policy; and when that of its grant is. */
  ends_at: instant,
  grant_ends_at: instant,
  assume_role: assumeRole,
  child: child.exactOptional(),
});
export type AwsRequest = z.infer<typeof AwsRequest>;

/** What of a provider's set-up a plan depends on. */
export interface Planning {
  readonly sectionOf: SectionOf<AwsSection>;
  readonly config: AwsConfig;
  readonly known: Known;
}

export function planSession(
  { config, known, sectionOf }: Planning,
  profile: Profile,
  parameters: Parameters,
  mint: MintRequest,
): Plan & { readonly request: AwsRequest } {
  const section = sectionOf(profile);
  const scoped = known.scoped();
  const grantEndsAt = wholeSecond(mint.endsAt);
  const childEndsAt = wholeSecond(new Date(mint.now.getTime() + config.child_ttl * 1000));
  const endsAt = scoped && childEndsAt < grantEndsAt ? childEndsAt : grantEndsAt;
  if (endsAt <= mint.now) throw refused('end_has_passed');

  const parts = { section, fill: valueOf(parameters), profile: profile.name };
  const request: AwsRequest = {
    mode: scoped ? 'child' : 'session',
    region: section.region ?? config.region,
    account: accountOf(section.role_arn),
    role_arn: section.role_arn,
    session_name: sessionName(mint.grant, mint.mint),
    ...(section.source_identity && { source_identity: sourceIdentity(mint.subject) }),
    ends_at: endsAt.toISOString(),
    grant_ends_at: grantEndsAt.toISOString(),
    assume_role: planAssumeRole(parts, mint, grantEndsAt, scoped, known.longestSession(maxSessionOf(section))),
    ...(scoped && { child: planChild(parts, mint, endsAt) }),
  };
  return {
    mint: mint.mint,
    endsAt,
    ...(scoped && { short: true }),
    revocability: revocability({ config, known }, section.role_arn, scoped),
    request,
  };
}

interface Parts {
  readonly section: AwsSection;
  readonly fill: Fill;
  readonly profile: string;
}

function planAssumeRole(
  { section, fill, profile }: Parts,
  mint: MintRequest,
  endsAt: Date,
  parent: boolean,
  longest: number,
): AssumeRole {
  const life = Math.ceil((endsAt.getTime() - mint.now.getTime()) / 1000);
  // A parent that ends before its grant is followed by another.
  if (!parent) requireWithin({ finding: 'session_too_long', actual: life, limit: longest, profile });
  const policy = sessionPolicy({
    template: section.session_policy,
    fill,
    managed: section.policy_arns.length > 0,
    endsAt,
    allowSts: section.allow_sts,
    parent,
  });
  requirePolicyText(profile, policy);
  const tags = Object.entries(section.tags).map(([Key, template]) => ({
    Key,
    Value: tagValue(template, fill, profile, Key),
  }));
  return {
    RoleArn: section.role_arn,
    RoleSessionName: sessionName(mint.grant, mint.mint),
    DurationSeconds: Math.min(longest, Math.max(SHORTEST_SESSION, life + MARGIN_SECONDS)),
    Policy: policy,
    ...(section.policy_arns.length > 0 && { PolicyArns: section.policy_arns.map((arn) => ({ arn })) }),
    Tags: [{ Key: GRANT_TAG, Value: mint.grant }, { Key: 'writ:task', Value: mint.task }, ...tags],
    TransitiveTagKeys: [GRANT_TAG, 'writ:task'],
    ...(section.external_id !== undefined && { ExternalId: section.external_id }),
    ...(section.source_identity && { SourceIdentity: sourceIdentity(mint.subject) }),
  };
}

export const GRANT_TAG = 'writ:grant';

function tagValue(template: string, fill: Fill, profile: string, tag: string): string {
  const value = fillText(template, fill);
  if (tagValueFault(value) !== undefined) throw limitPassed({ finding: 'tag_value', profile, tag });
  return value;
}

function planChild({ section, profile }: Parts, mint: MintRequest, endsAt: Date): z.infer<typeof child> {
  const policy = childPolicy(endsAt, section.allow_sts);
  requirePolicyText(profile, policy);
  return {
    DurationSeconds: Math.ceil((endsAt.getTime() - mint.now.getTime()) / 1000) + CHILD_MARGIN_SECONDS,
    Policy: policy,
    ScopedSessionDescription: `writ ${mint.mint} of ${mint.grant} for ${mint.task}`,
  };
}

function revocability(
  { config, known }: Pick<Planning, 'config' | 'known'>,
  role: string,
  scoped: boolean,
): Revocability {
  if (scoped) return { mode: 'bounded', withinSeconds: config.child_ttl };
  if (!config.revocation || !known.deniable(role)) return { mode: 'expiry_only' };
  return { mode: 'eventual', expectedSeconds: config.revocation.propagation + WRITING_SECONDS };
}

/** A plan's request as it comes back from the ledger, where this broker made it. @throws ProviderError. */
export function readRequest({ mint, request }: Pick<Plan, 'mint' | 'request'>): AwsRequest {
  const parsed = AwsRequest.safeParse(request);
  const ours =
    parsed.success &&
    (parsed.data.mode === 'child') === (parsed.data.child !== undefined) &&
    parsed.data.session_name.endsWith(`-${mint}`) &&
    parsed.data.assume_role.RoleSessionName === parsed.data.session_name &&
    parsed.data.assume_role.RoleArn === parsed.data.role_arn;
  if (!ours) throw refused('plan_of_another_set_up', parsed.error);
  return parsed.data;
}

/** The same of a plan that is about to be asked for: its policies must end when it says. */
export function readPlan(plan: Plan): AwsRequest {
  const request = readRequest(plan);
  if (request.ends_at !== plan.endsAt.toISOString()) throw refused('plan_of_another_set_up');
  return request;
}

/** Down to the whole second, which is what policies tell apart: a credential never outlives its grant. */
function wholeSecond(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / 1000) * 1000);
}

function valueOf(parameters: Parameters): Fill {
  return (name) => {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value === undefined) throw refused('parameter_missing');
    return value;
  };
}

/** Refused before anything was asked. */
export function refused(finding: string, cause?: unknown): ProviderError {
  return new ProviderError('provider_refused', { nothingLives: true, facts: { finding }, cause });
}
