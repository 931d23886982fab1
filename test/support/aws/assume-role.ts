import { accountOf, type Account, type Principal, type Role } from './account.ts';
import type { Result, SignedAction } from './actions.ts';
import { requireTrusted, type Extras } from './authorize.ts';
import { accessDenied, invalid } from './errors.ts';
import { list, optionalInteger, optionalText, structs, text, type Form } from './query.ts';
import { sessionPolicies } from './session-policies.ts';
import { checkTags, tagExtras, withInherited } from './session-tags.ts';
import { openSession, wholeSeconds } from './sessions.ts';

/** Of RoleSessionName and SourceIdentity: no colon, so neither can begin with `aws:`. */
export const NAME = { min: 2, max: 64, pattern: /^[\w+=,.@-]*$/u };
const EXTERNAL_ID = { min: 2, max: 1224, pattern: /^[\w+=,.@:/-]*$/u };

export const SESSION_PARAMS = [
  'RoleArn',
  'RoleSessionName',
  'Policy',
  'PolicyArns',
  'DurationSeconds',
  'MinimumSessionTokenSize',
];

export const assumeRole: SignedAction = {
  signed: true,
  params: [...SESSION_PARAMS, 'Tags', 'TransitiveTagKeys', 'ExternalId', 'SourceIdentity'],
  run(account, form, who) {
    const arn = roleArn(form);
    const name = text(form, 'RoleSessionName', NAME);
    const seconds = optionalInteger(form, 'DurationSeconds', 900, 43_200) ?? 3600;
    const sourceIdentity = optionalText(form, 'SourceIdentity', NAME);
    const externalId = optionalText(form, 'ExternalId', EXTERNAL_ID);
    const pairs = structs(form, 'Tags', ['Key', 'Value']).map(({ Key = '', Value = '' }) => [Key, Value] as const);
    const tags = checkTags(pairs, list(form, 'TransitiveTagKeys'), who);
    const whose = accountOf(arn, account);
    const role = whose?.roles.get(arn);
    if (!whose || !role)
      throw accessDenied(who.arn, 'sts:AssumeRole', arn, 'because no policy allows the sts:AssumeRole action');
    const layer = sessionPolicies(whose, form);
    const inherited = who.is === 'session' ? who.sourceIdentity : undefined;
    const identity = sourceIdentity ?? inherited;
    const extras: Extras = {
      'sts:RoleSessionName': name,
      'sts:ExternalId': externalId,
      'sts:SourceIdentity': identity,
      ...tagExtras(tags),
    };
    const all = withInherited(tags, who);
    requireTrusted(account, who, role, 'sts:AssumeRole', extras);
    if (Object.keys(all.tags).length > 0) requireTrusted(account, who, role, 'sts:TagSession', extras);
    if (identity !== undefined) requireTrusted(account, who, role, 'sts:SetSourceIdentity', extras);
    if (inherited !== undefined && identity !== inherited) {
      throw accessDenied(
        who.arn,
        'sts:SetSourceIdentity',
        arn,
        'because the source identity is already set for this assume role session',
      );
    }
    checkDuration(seconds, role, who);

    const opened = openSession(whose, form, {
      role,
      name,
      tags: all,
      sourceIdentity: identity,
      federatedProvider: undefined,
      layers: layer ? [layer] : [],
      expiration: new Date(wholeSeconds(account.clock.now()) + seconds * 1000),
      depth: 0,
      scopes: 0,
    });
    return assumed(opened);
  },
};

export function roleArn(form: Form): string {
  const arn = text(form, 'RoleArn', { min: 20, max: 2048 });
  if (!/^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/u.test(arn)) throw invalid(`${arn} is invalid`);
  return arn;
}

/** Throws for what lies past the role's maximum; a session of a session has an hour at most. */
export function checkDuration(seconds: number, role: Role, who?: Principal): void {
  if (who?.is === 'session' && seconds > 3600) {
    throw invalid('The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.');
  }
  if (seconds > role.maxSessionSeconds) {
    throw invalid('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  }
}

export function assumed({ session, credentials, usage }: ReturnType<typeof openSession>): Result {
  return {
    Credentials: credentials,
    AssumedRoleUser: { AssumedRoleId: session.id, Arn: session.arn },
    PackedPolicySize: usage.SessionTokenUtilization,
    SourceIdentity: session.sourceIdentity,
    ...usage,
  };
}

/** As `can` asks: would the trust policy and the asker's own let it be assumed, with nothing passed along? */
export function mayAssume(account: Account, who: Principal, role: Role): void {
  requireTrusted(account, who, role, 'sts:AssumeRole', { 'sts:RoleSessionName': 'probe' });
}
