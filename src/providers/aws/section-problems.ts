import type { Json, JsonObject } from '../../domain/json.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { Profile } from '../../domain/profile.ts';
import { accountOf, AwsSection } from './config.ts';
import { MAX_POLICY_CHARS, MAX_TAGS, OWN_TAGS, tagKeyFault, tagValueFault } from './limits.ts';
import { POLICY_VERSION, sessionPolicy, statementsOf } from './policy.ts';

type Path = readonly (string | number)[];
interface SectionProblem {
  readonly path: Path;
  readonly message: string;
}

const MEMBERS = new Set(['Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition']);

/** What a schema cannot say: of policies above all where a caller's value may stand, and what it could become there. */
export function sectionProblems(profile: Profile): readonly SectionProblem[] {
  const section = AwsSection.parse(profile.section);
  const problems = [
    ...(section.session_policy ? policyProblems(section.session_policy) : []),
    ...arnProblems(section),
    ...tagProblems(section.tags),
  ];
  return problems.length > 0
    ? problems.map(({ path, message }) => ({ path: ['aws', ...path], message }))
    : sizes(section);
}

function policyProblems(policy: JsonObject): SectionProblem[] {
  const at = (...path: Path): Path => ['session_policy', ...path];
  const problems: SectionProblem[] = [];
  const fault = (path: Path, message: string) => void problems.push({ path, message });
  for (const name of Object.keys(policy)) {
    if (!['Version', 'Id', 'Statement'].includes(name)) fault(at(name), 'is not a member of a policy');
  }
  if (policy['Version'] !== POLICY_VERSION)
    fault(at('Version'), `must be "${POLICY_VERSION}": no other version has variables, in which values are written`);
  const { Statement: written } = policy;
  const statements = statementsOf(policy);
  if (statements.length === 0) fault(at('Statement'), 'must be a statement, or a list of them');
  statements.forEach((statement, index) => {
    const path = at('Statement', ...(Array.isArray(written) ? [index] : []));
    problems.push(...statementProblems(statement, path));
  });
  return problems;
}

function statementProblems(statement: Json, path: Path): SectionProblem[] {
  if (!isJsonObject(statement)) return [{ path, message: 'must be a map of members' }];
  const problems: SectionProblem[] = [];
  const fault = (at: Path, message: string) => void problems.push({ path: [...path, ...at], message });
  for (const name of Object.keys(statement)) {
    if (!MEMBERS.has(name)) fault([name], 'is not for the policy of a session');
  }
  const { Effect: effect } = statement;
  if (effect !== 'Allow' && effect !== 'Deny') fault(['Effect'], 'must be Allow or Deny, written out');
  for (const name of ['Action', 'Resource']) {
    const members = [name, `Not${name}`].filter((member) => Object.hasOwn(statement, member));
    if (members.length !== 1) fault([], `needs ${name} or Not${name}, one of the two`);
  }
  for (const [name, value] of Object.entries(statement)) {
    if (name === 'Resource' || name === 'Condition') problems.push(...referenceProblems(value, [...path, name]));
    else if (mentions(value)) fault([name], 'is written out: parameters are for Resource and Condition');
  }
  return problems;
}

/** A value is written so that IAM reads it as itself; in the middle of a variable it would be a part of its name. */
function referenceProblems(value: Json, path: Path): SectionProblem[] {
  if (typeof value === 'string') {
    const inside = /\$\{[^}]*\{\{|\$\{\{/.test(value);
    return inside ? [{ path, message: 'has a parameter where it would be a part of an IAM variable, ${...}' }] : [];
  }
  if (Array.isArray(value)) {
    return (value as readonly Json[]).flatMap((item, index) => referenceProblems(item, [...path, index]));
  }
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, item]) => referenceProblems(item, [...path, name]));
}

const mentions = (value: Json): boolean => JSON.stringify(value).includes('{{');

function arnProblems({ role_arn, policy_arns }: AwsSection): SectionProblem[] {
  const account = accountOf(role_arn);
  return policy_arns.flatMap((arn, index) => {
    const owner = accountOf(arn);
    const message = policy_arns.indexOf(arn) !== index ? 'stands twice' : `is not of the role's account, ${account}`;
    return policy_arns.indexOf(arn) !== index || (owner !== account && owner !== 'aws')
      ? [{ path: ['policy_arns', index], message }]
      : [];
  });
}

function tagProblems(tags: Readonly<Record<string, string>>): SectionProblem[] {
  const keys = Object.keys(tags);
  const problems = keys.flatMap((key) => {
    const again = keys.findIndex((other) => other.toLowerCase() === key.toLowerCase()) !== keys.indexOf(key);
    const message = tagKeyFault(key) ?? (again ? 'is a key that stands twice: case does not count' : undefined);
    const value = tags[key] ?? '';
    const valueMessage = value.includes('{{') ? undefined : tagValueFault(value);
    return [message, valueMessage].flatMap((text) =>
      text === undefined ? [] : [{ path: ['tags', key], message: text }],
    );
  });
  const most = MAX_TAGS - OWN_TAGS;
  return keys.length > most ? [...problems, { path: ['tags'], message: `takes at most ${most} tags` }] : problems;
}

/** Without any value the policy has this length at least. */
function sizes({ session_policy, policy_arns, allow_sts }: AwsSection): SectionProblem[] {
  const parts = { template: session_policy, fill: () => '', managed: policy_arns.length > 0, allowSts: allow_sts };
  const { length } = sessionPolicy({ ...parts, endsAt: new Date(0), parent: false });
  const message = `comes to ${length} characters with what is denied in any case; STS takes ${MAX_POLICY_CHARS}`;
  return length > MAX_POLICY_CHARS ? [{ path: ['aws', 'session_policy'], message }] : [];
}
