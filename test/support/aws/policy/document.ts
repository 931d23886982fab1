import { malformedPolicy, Unsupported } from '../errors.ts';
import { conditions, type Condition } from './conditions.ts';
import { isObject, textsOf } from './json.ts';
import { pattern, type Matcher } from './pattern.ts';
import { principals, type PrincipalMatcher } from './principals.ts';

export interface Statement {
  readonly effect: 'Allow' | 'Deny';
  readonly action: (action: string) => boolean;
  readonly resource: Matcher;
  readonly condition: Condition;
  /** Of a trust policy only. */
  readonly principal: PrincipalMatcher | undefined;
}

export interface Policy {
  readonly text: string;
  readonly statements: readonly Statement[];
}

/** What a document is for: a trust policy has Principal and no Resource, every other the opposite. */
export type PolicyKind = 'permissions' | 'trust';

const MEMBERS: Readonly<Record<PolicyKind, readonly string[]>> = {
  permissions: ['Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'],
  trust: ['Sid', 'Effect', 'Action', 'NotAction', 'Principal', 'Condition'],
};

/**
 * Reads a document as IAM would and compiles it. `AwsError` where IAM would refuse it, `Unsupported` where this fake could
 * not judge it.
 */
export function readPolicy(text: string, kind: PolicyKind = 'permissions'): Policy {
  const document = parsed(text);
  const unknown = Object.keys(document).find((name) => !['Version', 'Id', 'Statement'].includes(name));
  if (unknown !== undefined) throw malformedPolicy(`Syntax errors in policy: ${unknown}.`);
  const { Version: version = '2008-10-17', Statement: given } = document;
  if (version !== '2012-10-17' && version !== '2008-10-17') {
    throw malformedPolicy('The policy must contain a valid version string');
  }
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const statements = list.map((item) => statement(item, kind, version === '2012-10-17'));
  if (statements.length === 0) throw malformedPolicy('The policy has no Statement.');
  const sids = list.flatMap((item) => (isObject(item) && item['Sid'] !== undefined ? [item['Sid']] : []));
  if (new Set(sids).size < sids.length) throw malformedPolicy('Statement IDs (SID) in a single policy must be unique.');
  return { text, statements };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformedPolicy('This policy contains invalid Json');
  }
  if (!isObject(value)) throw malformedPolicy('Syntax errors in policy.');
  return value;
}

function statement(item: unknown, kind: PolicyKind, variables: boolean): Statement {
  if (!isObject(item)) throw malformedPolicy('Syntax errors in policy: Statement is not an object.');
  if ('NotPrincipal' in item) throw new Unsupported('NotPrincipal is not built here');
  const unknown = Object.keys(item).find((name) => !MEMBERS[kind].includes(name));
  if (unknown === 'Resource' || unknown === 'NotResource') throw malformedPolicy(`Has prohibited field ${unknown}`);
  if (unknown === 'Principal') throw malformedPolicy('Policy document should not specify a principal.');
  if (unknown !== undefined) throw malformedPolicy(`Syntax errors in policy: ${unknown}.`);
  const { Effect: effect, Sid: sid, Condition: block } = item;
  if (effect !== 'Allow' && effect !== 'Deny') throw malformedPolicy('Syntax errors in policy: Effect.');
  if (sid !== undefined && !(typeof sid === 'string' && /^[A-Za-z0-9]*$/u.test(sid))) {
    throw malformedPolicy('Statement IDs (SID) must be alpha-numeric.');
  }
  const action = either(item, 'Action', (text) => {
    if (!/^(\*|[\w-]+:[\w*?]+)$/u.test(text)) {
      throw malformedPolicy('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.');
    }
    return pattern(text, { variables: false, wildcards: true, ignoreCase: true });
  });
  return {
    effect,
    action: (name) => action(name, () => undefined),
    resource: kind === 'trust' ? () => true : resources(item, variables),
    condition: conditions(block, variables),
    principal: kind === 'trust' ? principals(item['Principal']) : undefined,
  };
}

function resources(item: Readonly<Record<string, unknown>>, variables: boolean): Matcher {
  return either(item, 'Resource', (text) => {
    if (text !== '*' && text.split(':').length < 6 && !text.startsWith('arn:*')) {
      throw malformedPolicy(`Resource ${text} must be in ARN format or "*".`);
    }
    return pattern(text, { variables, wildcards: true });
  });
}

/** `Action` or `NotAction`, exactly one of the two. */
function either(item: Readonly<Record<string, unknown>>, name: string, read: (text: string) => Matcher): Matcher {
  const not = `Not${name}`;
  if (name in item === not in item) {
    throw malformedPolicy(`Policy statement must contain ${name.toLowerCase()}s.`);
  }
  const matchers = textsOf(item[name] ?? item[not], name).map(read);
  if (matchers.length === 0) throw malformedPolicy(`Policy statement must contain ${name.toLowerCase()}s.`);
  const wanted = name in item;
  return (value, context) => matchers.some((matches) => matches(value, context)) === wanted;
}
