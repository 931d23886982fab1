import type { Account, Role } from './account.ts';
import type { UnsignedAction } from './actions.ts';
import { assumed, checkDuration, NAME, roleArn, SESSION_PARAMS } from './assume-role.ts';
import { refuseUnlessAllowed, timeOf, type Extras } from './authorize.ts';
import { AwsError } from './errors.ts';
import { invalidToken, issuerOf, verifyToken } from './jwt.ts';
import { makeContext } from './policy/context.ts';
import { judgeStatements, type Verdict } from './policy/evaluate.ts';
import { isObject } from './policy/json.ts';
import { checkText, optionalInteger, text } from './query.ts';
import { sessionPolicies } from './session-policies.ts';
import { checkTags, tagExtras, type SessionTags } from './session-tags.ts';
import { openSession, wholeSeconds } from './sessions.ts';
import type { OidcOptions } from './types.ts';

const TAGS = 'https://aws.amazon.com/tags';
const SOURCE_IDENTITY = 'https://aws.amazon.com/source_identity';

/** Unsigned: who asks is told by a token of a registered issuer, tags and source identity by its claims. */
export const assumeRoleWithWebIdentity: UnsignedAction = {
  signed: false,
  params: [...SESSION_PARAMS, 'WebIdentityToken'],
  run(account, form) {
    const arn = roleArn(form);
    const name = text(form, 'RoleSessionName', NAME);
    const token = text(form, 'WebIdentityToken', { min: 4, max: 20_000 });
    const seconds = optionalInteger(form, 'DurationSeconds', 900, 43_200) ?? 3600;
    const layer = sessionPolicies(account, form);

    const provider = account.oidc.get(issuerOf(token));
    if (!provider) throw invalidToken(`No OpenIDConnect provider found in your account for ${issuerOf(token)}`);
    const { claims, issuer, subject, audiences } = verifyToken(token, jwksOf(provider), account.clock.now());
    const audience = audiences.find((one) => provider.audiences.includes(one));
    if (audience === undefined) throw invalidToken('Incorrect token audience');
    const tags = tagsOf(claims);
    const sourceIdentity = sourceIdentityOf(claims);

    const host = issuer.replace(/^https?:\/\//u, '');
    const extras: Extras = {
      [`${host}:sub`]: subject,
      [`${host}:aud`]: audience,
      'aws:FederatedProvider': provider.arn,
      'sts:RoleSessionName': name,
      'sts:SourceIdentity': sourceIdentity,
      ...tagExtras(tags),
    };
    const role = account.roles.get(arn);
    const require = (action: string) =>
      refuseUnlessAllowed(judgeFederated(account, role, action, provider.arn, extras), subject, action, arn);
    require('sts:AssumeRoleWithWebIdentity');
    if (Object.keys(tags.tags).length > 0) require('sts:TagSession');
    if (sourceIdentity !== undefined) require('sts:SetSourceIdentity');
    if (!role) throw new Error('no role is trusted that is not there');
    checkDuration(seconds, role);

    const opened = openSession(account, form, {
      role,
      name,
      tags,
      sourceIdentity,
      federatedProvider: provider.arn,
      layers: layer ? [layer] : [],
      expiration: new Date(wholeSeconds(account.clock.now()) + seconds * 1000),
      depth: 0,
      scopes: 0,
    });
    return {
      ...assumed(opened),
      SubjectFromWebIdentityToken: subject,
      Provider: provider.arn,
      Audience: audience,
    };
  },
};

function judgeFederated(
  account: Account,
  role: Role | undefined,
  action: string,
  federated: string,
  extras: Extras,
): Verdict {
  const context = makeContext({ ...timeOf(account.clock.now()), ...extras });
  const naming = (role?.trust.statements ?? []).filter(
    ({ principal }) => principal?.({ account: account.id, arn: federated, federated }) !== undefined,
  );
  return judgeStatements(naming, { action, resource: role?.arn ?? '', context });
}

function jwksOf({ jwks }: OidcOptions): unknown {
  try {
    return jwks();
  } catch {
    throw new AwsError(400, 'IDPCommunicationError', 'The identity provider could not be reached.');
  }
}

function tagsOf(claims: Readonly<Record<string, unknown>>): SessionTags {
  const given = claims[TAGS];
  if (given === undefined) return { tags: {}, transitive: [] };
  if (!isObject(given)) throw invalidToken(`The claim ${TAGS} cannot be read`);
  const { principal_tags: values = {}, transitive_tag_keys: transitive = [] } = given;
  if (!isObject(values) || !isTexts(transitive)) throw invalidToken(`The claim ${TAGS} cannot be read`);
  const pairs = Object.entries(values).map(([key, value]) => {
    if (isTexts(value) && value[0] !== undefined && value.length === 1) return [key, value[0]] as const;
    throw invalidToken(`The claim ${TAGS} must have one value for each tag`);
  });
  return checkTags(pairs, transitive);
}

function sourceIdentityOf(claims: Readonly<Record<string, unknown>>): string | undefined {
  const value = claims[SOURCE_IDENTITY];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw invalidToken(`The claim ${SOURCE_IDENTITY} is no text`);
  checkText(value, 'sourceIdentity', NAME);
  return value;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
