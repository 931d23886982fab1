import { accountOf, defaultPolicy, type Account, type Principal, type Role } from './account.ts';
import { accessDenied, AwsError } from './errors.ts';
import { iso } from './iso.ts';
import { makeContext } from './policy/context.ts';
import { applies, judge, judgeLayer, type Layer, type Question, type Verdict } from './policy/evaluate.ts';
import type { AwsKeys } from './types.ts';

/** Condition keys that one action brings along. */
export type Extras = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Whose keys these are. Throws the error of the wire: InvalidClientTokenId, or ExpiredToken. */
export function authenticate(account: Account, given: AwsKeys): Principal {
  const found = account.keys.get(given.accessKeyId);
  if (found?.keys.secretAccessKey !== given.secretAccessKey || found.keys.sessionToken !== given.sessionToken) {
    throw new AwsError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
  }
  const { principal } = found;
  if (principal.is === 'session' && principal.expiration <= account.clock.now()) {
    throw new AwsError(403, 'ExpiredToken', 'The security token included in the request is expired');
  }
  return principal;
}

export function questionOf(
  account: Account,
  who: Principal,
  action: string,
  resource: string,
  extras: Extras = {},
): Question {
  const now = account.clock.now();
  const session = who.is === 'session' ? who : undefined;
  const tags = Object.entries(session?.tags ?? {}).map(([key, value]) => [`aws:PrincipalTag/${key}`, value] as const);
  const context = makeContext({
    ...Object.fromEntries(tags),
    ...timeOf(now),
    'aws:userid': who.id,
    'aws:username': who.is === 'user' ? who.name : undefined,
    'aws:PrincipalArn': session?.of.arn ?? who.arn,
    'aws:PrincipalAccount': account.id,
    'aws:PrincipalType': session ? 'AssumedRole' : 'User',
    'aws:SourceIdentity': session?.sourceIdentity,
    'aws:TokenIssueTime': session && iso(session.issuedAt),
    'aws:FederatedProvider': session?.federatedProvider,
    'aws:MultiFactorAuthPresent': session && 'false',
    ...extras,
  });
  return { action, resource, context };
}

/** The keys that any request has. TLS is taken as given: this server has none. */
export function timeOf(now: Date): Extras {
  return {
    'aws:CurrentTime': now.toISOString(),
    'aws:EpochTime': String(Math.floor(now.getTime() / 1000)),
    'aws:SecureTransport': 'true',
    'aws:ViaAWSService': 'false',
  };
}

/** Identity policies ∩ permissions boundary ∩ every layer of session policies. */
export function layersOf(account: Account, who: Principal): Layer[] {
  if (who.is === 'user') return [who.policies];
  return [who.of.policies, ...limitsOf(account, who)];
}

/** What only limits: boundary and session policies. */
function limitsOf(account: Account, who: Principal): Layer[] {
  if (who.is === 'user') return [];
  const boundary = who.of.boundary.effective();
  if (boundary === undefined) return [...who.layers];
  const policy = account.policies.get(boundary);
  if (!policy) throw new Error(`${who.of.arn} is bounded by ${boundary}, which is not there`);
  return [[defaultPolicy(policy)], ...who.layers];
}

export function requireAllowed(
  account: Account,
  who: Principal,
  action: string,
  resource: string,
  extras: Extras = {},
): void {
  const verdict = judge(layersOf(account, who), questionOf(account, who, action, resource, extras));
  refuseUnlessAllowed(verdict, who.arn, action, resource);
}

/**
 * Whether `who`, of this account, may do one of AssumeRole's actions on a role. In another account the trust policy and the asker's
 * own policies must both allow it. In the same account the trust policy must allow it: where it
 * names the asker, that is enough (boundary and session policies limit what is said of a role or of everyone, not of the
 * session itself); where it names the account, the asker's own policies must allow it too. A Deny of either side decides.
 */
export function requireTrusted(account: Account, who: Principal, role: Role, action: string, extras: Extras): void {
  const question = questionOf(account, who, action, role.arn, extras);
  refuseUnlessAllowed(judgeTrust(account, who, role, question), who.arn, action, role.arn);
}

function judgeTrust(account: Account, who: Principal, role: Role, question: Question): Verdict {
  const asker = { account: account.id, arn: who.arn, ...(who.is === 'session' && { role: who.of.arn }) };
  const namings = role.trust.statements.flatMap((statement) => {
    const naming = statement.principal?.(asker);
    return naming !== undefined && applies(statement, question) ? [{ naming, effect: statement.effect }] : [];
  });
  const own = judge(layersOf(account, who), question);
  if (own === 'explicit deny' || namings.some(({ effect }) => effect === 'Deny')) return 'explicit deny';
  const named = new Set(namings.map(({ naming }) => naming));
  const chained = question.action === 'sts:SetSourceIdentity' && who.is === 'session';
  if (named.size > 0 && own === 'allow') return 'allow';
  if (accountOf(role.arn, account) !== account) return 'implicit deny';
  if (chained) return 'implicit deny'; // a session that passes a source identity on needs its own permission as well
  if (named.has('self')) return 'allow';
  if (!named.has('role') && !named.has('everyone')) return 'implicit deny';
  const limits = limitsOf(account, who);
  return limits.every((layer) => judgeLayer(layer, question) === 'allow') ? 'allow' : 'implicit deny';
}

export function refuseUnlessAllowed(verdict: Verdict, who: string, action: string, resource: string): void {
  if (verdict === 'allow') return;
  const why = verdict === 'explicit deny' ? 'with an explicit deny' : `because no policy allows the ${action} action`;
  throw accessDenied(who, action, resource, why);
}
