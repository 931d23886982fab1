import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { sha256Hex } from '../../domain/sha256.ts';
import { NOTHING_DENIED, type Before, type Denials } from './denials.ts';
import { GRANT_TAG } from './plan.ts';
import { ALLOW_ALL, policyTime, statementsOf, text } from './policy.ts';

/** Of a managed policy; white space is not counted, and there is none in ours. */
export const MAX_DOCUMENT_CHARS = 6_144;

/** Whose a document is, and of when: what was rendered from a later reading of the ledger says more. */
export interface Mark {
  /** Of `ownerOf`. */
  readonly owner: string;
  /** When the ledger was read, in its own milliseconds. */
  readonly generation: number;
}

/**
 * A boundary's document as it was found. `altered`: somebody has changed it since it was written, so that nothing counts as
 * denied. `unmarked`: it allows everything and denies nothing. `foreign`: it is for something else.
 */
export type Found =
  | { readonly kind: 'marked'; readonly mark: Mark; readonly denials: Denials }
  | { readonly kind: 'altered'; readonly mark: Mark }
  | { readonly kind: 'unmarked' }
  | { readonly kind: 'foreign' };

/** The same for every replica, and another for every other provider and broker: two cannot share a boundary. */
export function ownerOf(issuer: string, provider: string): string {
  return sha256Hex(`${issuer}\0${provider}`).slice(0, 12);
}

/**
 * The whole boundary: it allows all, so that it limits nothing but what it denies. What would undo it is denied to every session
 * that it holds for.
 */
export function writeDocument(boundaryArn: string, { owner, generation }: Mark, denials: Denials): string {
  return text([
    { Sid: `Writ${owner}At${generation}`, ...ALLOW_ALL },
    deny(['iam:DeleteRolePermissionsBoundary', 'iam:PutRolePermissionsBoundary']),
    deny(
      ['iam:CreatePolicyVersion', 'iam:DeletePolicy', 'iam:DeletePolicyVersion', 'iam:SetDefaultPolicyVersion'],
      boundaryArn,
    ),
    ...denialStatements(denials),
  ]);
}

export function denialStatements({ grants, sessions, identities, roles, fence }: Denials): readonly JsonObject[] {
  return [
    ...(grants.length > 0 ? [denyAll({ StringEquals: { [TAG_KEY]: grants } })] : []),
    ...(sessions.length > 0 ? [denyAll({ StringLike: { 'aws:userid': sessions.map((name) => `*:${name}`) } })] : []),
    ...identities.map((item) =>
      denyAll({ StringEquals: { [IDENTITY_KEY]: item.names }, ...issuedBefore(item.before) }),
    ),
    ...roles.map((item) => denyAll({ ArnEquals: { [ROLE_KEY]: item.names }, ...OURS, ...issuedBefore(item.before) })),
    ...(fence ? [denyAll({ ...OURS, ...issuedBefore(fence) })] : []),
  ];
}

const TAG_KEY = `aws:PrincipalTag/${GRANT_TAG}`;
const IDENTITY_KEY = 'aws:SourceIdentity';
const ROLE_KEY = 'aws:PrincipalArn';
const ISSUED_KEY = 'aws:TokenIssueTime';
/** Sessions that others make of the same role have no such tag. */
const OURS: JsonObject = { StringLike: { [TAG_KEY]: 'g*' } };

const issuedBefore = (instant: Date): JsonObject => ({ DateLessThan: { [ISSUED_KEY]: policyTime(instant) } });
const deny = (action: Json, resource = '*'): JsonObject => ({ Effect: 'Deny', Action: action, Resource: resource });
const denyAll = (condition: JsonObject): JsonObject => ({ ...deny('*'), Condition: condition });

/** What a document says; it must be in just the words in which it would be written. */
export function readDocument(boundaryArn: string, document: Json): Found {
  const statements = isJsonObject(document) ? statementsOf(document) : [];
  const [first] = statements;
  if (!isJsonObject(document) || !isJsonObject(first)) return { kind: 'foreign' };
  const mark = markOf(first);
  if (!mark) return statements.length === 1 && isAllowAll(first) ? { kind: 'unmarked' } : { kind: 'foreign' };
  const denials = denialsOf(statements.slice(OWN_STATEMENTS));
  const wanted = JSON.parse(writeDocument(boundaryArn, mark, denials)) as Json;
  return canonicalJson(document) === canonicalJson(wanted)
    ? { kind: 'marked', mark, denials }
    : { kind: 'altered', mark };
}

/** Those before what is denied by the ledger. */
const OWN_STATEMENTS = 3;

function isAllowAll({ Effect, Action, Resource, ...rest }: JsonObject): boolean {
  const all = [Action, Resource].every((given) => (Array.isArray(given) ? String(given) : given) === '*');
  return Effect === 'Allow' && all && Object.keys(rest).every((member) => member === 'Sid');
}

function markOf({ Sid }: JsonObject): Mark | undefined {
  const [, owner, generation] = typeof Sid === 'string' ? (/^Writ([0-9a-f]{12})At([0-9]{1,15})$/.exec(Sid) ?? []) : [];
  return owner === undefined ? undefined : { owner, generation: Number(generation) };
}

function denialsOf(statements: readonly Json[]): Denials {
  const found = { ...NOTHING_DENIED, identities: [] as Before[], roles: [] as Before[] };
  for (const statement of statements) {
    const condition = isJsonObject(statement) ? objectOf(statement['Condition']) : {};
    const equals = objectOf(condition['StringEquals']);
    const { [ISSUED_KEY]: issued } = objectOf(condition['DateLessThan']);
    const before = new Date(typeof issued === 'string' ? issued : '');
    const users = objectOf(condition['StringLike'])['aws:userid'];
    const roles = objectOf(condition['ArnEquals'])[ROLE_KEY];
    if (equals[TAG_KEY] !== undefined) found.grants = namesOf(equals[TAG_KEY]);
    else if (users !== undefined) found.sessions = namesOf(users).map((name) => name.slice(2));
    else if (Number.isNaN(before.getTime())) return NOTHING_DENIED;
    else if (equals[IDENTITY_KEY] !== undefined)
      found.identities.push({ names: namesOf(equals[IDENTITY_KEY]), before });
    else if (roles !== undefined) found.roles.push({ names: namesOf(roles), before });
    else found.fence = before;
  }
  return found;
}

const objectOf = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
const namesOf = (value: Json): string[] => (Array.isArray(value) ? (value as readonly Json[]).map(String) : []);
