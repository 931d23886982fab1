import { z } from 'zod';
import { formatDuration, parseDuration } from '../../domain/duration.ts';
import type { JsonObject } from '../../domain/json.ts';
import { Secret } from '../../domain/secret.ts';
import { LONGEST_SESSION } from './limits.ts';
import { parseRoleArn } from './names.ts';

/** In the configuration a duration, here whole seconds. */
const duration = (min: number, max: number) =>
  z.string().transform((written, context) => {
    const seconds = parseDuration(written);
    if (seconds !== undefined && seconds >= min && seconds <= max) return seconds;
    const message = `is not a duration from ${formatDuration(min)} to ${formatDuration(max)}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

const region = z.string().regex(/^[a-z]{2,3}(-[a-z]+)+-\d{1,2}$/, 'is not a region such as eu-west-1');
const secret = z
  .string()
  .min(1)
  .transform((text) => new Secret(text));

const roleArn = z
  .string()
  .refine(
    (arn) => parseRoleArn(arn) !== undefined,
    'is not the ARN of a role such as arn:aws:iam::123456789012:role/invoice-agents, written out',
  );
const policyArn = z
  .string()
  .regex(
    /^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]{1,512}$/,
    'is not the ARN of a managed policy such as arn:aws:iam::123456789012:policy/writ-boundary, written out',
  );

/**
 * Where ended credentials of one account are denied: the roles' permissions boundary, who may write it, and the role of a
 * session that tries whether what was written counts.
 */
const boundary = z.strictObject({
  boundary_arn: policyArn,
  revoker_role_arn: roleArn,
  probe_role_arn: roleArn.exactOptional(),
});
export type BoundaryConfig = z.infer<typeof boundary>;

const credentials = z
  .strictObject({
    web_identity: z.strictObject({ role_arn: roleArn, token_file: z.string().min(1) }).exactOptional(),
    access_key_id: z.string().min(16).exactOptional(),
    secret_access_key: secret.exactOptional(),
    session_token: secret.exactOptional(),
  })
  .superRefine(({ web_identity, access_key_id, secret_access_key, session_token }, context) => {
    const keys = [access_key_id, secret_access_key, session_token].filter((given) => given !== undefined);
    const fault = (message: string) => context.addIssue({ code: 'custom', message });
    if (web_identity && keys.length > 0) fault('has web_identity and keys: it is one or the other');
    else if (!web_identity && (!access_key_id || !secret_access_key))
      fault(
        'needs web_identity, or access_key_id and secret_access_key; without credentials, the SDK looks for its own',
      );
  });

const revocation = z
  .strictObject({
    boundary_arn: policyArn.exactOptional(),
    revoker_role_arn: roleArn.exactOptional(),
    probe_role_arn: roleArn.exactOptional(),
    accounts: z.record(z.string().regex(/^\d{12}$/, '{name} is not an account of 12 digits'), boundary).default({}),
    propagation: duration(1, 600).prefault('10s'),
    fence: z.boolean().default(false),
  })
  .superRefine(({ boundary_arn, revoker_role_arn, probe_role_arn, accounts }, context) => {
    const fault = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if ((boundary_arn === undefined) !== (revoker_role_arn === undefined))
      fault([], 'needs boundary_arn and revoker_role_arn, both or neither');
    if (boundary_arn === undefined && probe_role_arn !== undefined)
      fault(['probe_role_arn'], 'is for a boundary_arn beside it');
    if (boundary_arn === undefined && Object.keys(accounts).length === 0)
      fault([], 'names no boundary: boundary_arn with revoker_role_arn, or accounts');
    const requireAccount = (account: string, path: string[], members: Readonly<Record<string, string | undefined>>) => {
      for (const [member, arn] of Object.entries(members)) {
        if (arn !== undefined && accountOf(arn) !== account)
          fault([...path, member], `is not of the account ${account}`);
      }
    };
    for (const [account, members] of Object.entries(accounts)) requireAccount(account, ['accounts', account], members);
    if (boundary_arn === undefined) return;
    const single = accountOf(boundary_arn);
    requireAccount(single, [], { revoker_role_arn, probe_role_arn });
    if (Object.hasOwn(accounts, single)) fault(['accounts', single], 'has a boundary already: boundary_arn');
  });

/**
 * `region`, `endpoint`: where STS is; without `endpoint` AWS itself.
 * `credentials`: how the broker logs in; without it, wherever the SDK looks by default.
 * `scoped`: whether GetScopedCredentials makes short children of a session (`auto`: found out).
 * `child_ttl`: how long a child lives.
 * `revocation`: the deny list for what lives longer. `fence`: where the list is full, everything that was issued before is
 * denied, whoever has it.
 */
export const AwsConfig = z.strictObject({
  region,
  endpoint: z.url({ protocol: /^https?$/ }).exactOptional(),
  credentials: credentials.exactOptional(),
  scoped: z.enum(['auto', 'on', 'off']).default('auto'),
  child_ttl: duration(60, 900).prefault('5m'),
  revocation: revocation.exactOptional(),
});
export type AwsConfig = z.infer<typeof AwsConfig>;

/** The boundaries by account. */
export function boundariesOf({ revocation: config }: AwsConfig): ReadonlyMap<string, BoundaryConfig> {
  const { boundary_arn, revoker_role_arn, probe_role_arn, accounts = {} } = config ?? {};
  const boundaries = new Map(Object.entries(accounts));
  if (boundary_arn !== undefined && revoker_role_arn !== undefined) {
    const probe = probe_role_arn === undefined ? {} : { probe_role_arn };
    boundaries.set(accountOf(boundary_arn), { boundary_arn, revoker_role_arn, ...probe });
  }
  return boundaries;
}

/** The fifth part of an ARN. */
export function accountOf(arn: string): string {
  return arn.split(':')[4] ?? '';
}

/** What IAM lets a role's maximum be. */
const SHORTEST_MAXIMUM = 3_600;

function isSession(written: string): boolean {
  const seconds = parseDuration(written);
  return seconds !== undefined && seconds >= SHORTEST_MAXIMUM && seconds <= LONGEST_SESSION;
}

/**
 * `role_arn`: the role that sessions are of. `session_policy`: what of it they may do, with parameters in resources and
 * conditions. `policy_arns`: managed policies that narrow as well. `tags`: of the session. `external_id`: what the role's trust
 * policy asks for. `source_identity`: whether sessions carry it. `allow_sts`: sessions may call STS. `max_session`: the
 * role's own maximum.
 */
export const AwsSection = z.strictObject({
  role_arn: roleArn,
  session_policy: z.record(z.string(), z.json()).exactOptional(),
  policy_arns: z.array(policyArn).max(10).default([]),
  tags: z.record(z.string(), z.string()).default({}),
  external_id: z
    .string()
    .regex(/^[\w+=,.@:/-]{2,1224}$/, 'is not 2 to 1224 letters, digits or any of _+=,.@:/-, written out')
    .exactOptional(),
  source_identity: z.boolean().default(true),
  allow_sts: z.boolean().default(false),
  region: region.exactOptional(),
  // As it is written: a section is read again from what it was read to.
  max_session: z.string().refine(isSession, 'is not a duration from 1h to 12h').default('1h'),
}) satisfies z.ZodType<JsonObject>;
export type AwsSection = z.infer<typeof AwsSection>;

/** Whole seconds. */
export function maxSessionOf({ max_session }: AwsSection): number {
  return parseDuration(max_session) ?? SHORTEST_MAXIMUM;
}
