import { makeEventual, type Clock, type Eventual } from './eventual.ts';
import { makeId, makeSecretKey } from './ids.ts';
import { readPolicy, type Policy } from './policy/document.ts';
import type { Layer } from './policy/evaluate.ts';
import type { AwsKeys, FakeSession, OidcOptions, RoleOptions } from './types.ts';

export interface User {
  readonly is: 'user';
  readonly name: string;
  readonly arn: string;
  readonly id: string;
  readonly policies: Layer;
}

export interface Role {
  readonly name: string;
  readonly arn: string;
  readonly id: string;
  readonly created: Date;
  readonly trust: Policy;
  readonly policies: Layer;
  readonly boundary: Eventual<string | undefined>;
  readonly maxSessionSeconds: number;
}

export interface PolicyVersion {
  readonly id: string;
  readonly policy: Policy;
  readonly created: Date;
}

export interface ManagedPolicy {
  readonly name: string;
  readonly arn: string;
  readonly id: string;
  readonly created: Date;
  /** The versions, oldest first, and which of them counts. */
  readonly state: Eventual<{ readonly versions: readonly PolicyVersion[]; readonly defaultId: string }>;
  /** The number of the next version: none is used twice. */
  nextVersion: number;
}

export interface Session extends FakeSession {
  readonly is: 'session';
  readonly of: Role;
  readonly federatedProvider: string | undefined;
  /** The session policies of AssumeRole as one layer, then one for each GetScopedCredentials that brought a policy. */
  readonly layers: readonly Layer[];
}

export type Principal = User | Session;

/** How an account's IAM is: it may answer nothing but 503, or nothing at all. STS is the region's, and well. */
export type IamHealth = 'well' | 'failing' | 'silent';

export interface Account {
  readonly id: string;
  readonly clock: Clock;
  iam: IamHealth;
  /** All that there are, this one among them; keys, sessions and tokens of all are in one place. */
  readonly all: Map<string, Account>;
  readonly keys: Map<string, { readonly keys: AwsKeys; readonly principal: Principal }>;
  readonly roles: Map<string, Role>;
  readonly policies: Map<string, ManagedPolicy>;
  readonly oidc: Map<string, OidcOptions & { readonly arn: string }>;
  readonly sessions: Session[];
  /** Tokens of GetWebIdentityToken, with their ends. */
  readonly webTokens: Map<string, Date>;
}

const NAME = /^[\w+=,.@-]{1,64}$/u;
const ROLE_POLICIES_MAX = 10_240;

export function makeAccount(id: string, clock: Clock, beside?: Account): Account {
  const { all, keys, sessions, webTokens } = beside ?? {
    all: new Map<string, Account>(),
    keys: new Map(),
    sessions: [],
    webTokens: new Map(),
  };
  if (all.has(id)) throw new Error(`there is an account ${id} already`);
  const account: Account = {
    id,
    clock,
    iam: 'well',
    all,
    keys,
    roles: new Map(),
    policies: new Map(),
    oidc: new Map(),
    sessions,
    webTokens,
  };
  all.set(id, account);
  return account;
}

/** The account that an ARN is of, where there is one. */
export function accountOf(arn: string, { all }: Account): Account | undefined {
  return all.get(arn.split(':')[4] ?? '');
}

/** The account of whoever asks. */
export function homeOf({ arn }: Principal, any: Account): Account {
  const home = accountOf(arn, any);
  if (!home) throw new Error(`${arn} is of no account`);
  return home;
}

export function addUser(account: Account, name: string, documents: readonly object[]): AwsKeys {
  const arn = `arn:aws:iam::${account.id}:user/${named(name)}`;
  const policies = documents.map((document) => readPolicy(JSON.stringify(document)));
  const keys = { accessKeyId: makeId('AKIA'), secretAccessKey: makeSecretKey() };
  const taken = [...account.keys.values()].some(({ principal }) => principal.arn === arn);
  if (taken) throw new Error(`there is a user ${name} already`);
  account.keys.set(keys.accessKeyId, { keys, principal: { is: 'user', name, arn, id: makeId('AIDA'), policies } });
  return keys;
}

export function addRole(account: Account, name: string, options: RoleOptions): string {
  const { trust, policies, boundary, maxSessionSeconds = 3600 } = options;
  const arn = `arn:aws:iam::${account.id}:role/${named(name)}`;
  if (account.roles.has(arn)) throw new Error(`there is a role ${name} already`);
  if (maxSessionSeconds < 3600 || maxSessionSeconds > 43_200) throw new Error('a role has 3600 to 43200 s');
  if (boundary !== undefined && !account.policies.has(boundary)) throw new Error(`there is no policy ${boundary}`);
  const read = policies.map((document) => readPolicy(JSON.stringify(document)));
  const size = read.reduce((sum, { text }) => sum + sizeOf(text), 0);
  if (size > ROLE_POLICIES_MAX)
    throw new Error(`a role's inline policies have at most ${ROLE_POLICIES_MAX} characters`);
  account.roles.set(arn, {
    name,
    arn,
    id: makeId('AROA'),
    created: account.clock.now(),
    trust: readPolicy(JSON.stringify(trust), 'trust'),
    policies: read,
    boundary: makeEventual<string | undefined>(account.clock, boundary),
    maxSessionSeconds,
  });
  return arn;
}

export function addManagedPolicy(account: Account, name: string, document: object): string {
  const arn = `arn:aws:iam::${account.id}:policy/${named(name)}`;
  if (account.policies.has(arn)) throw new Error(`there is a policy ${name} already`);
  const created = account.clock.now();
  const first = { id: 'v1', policy: readPolicy(JSON.stringify(document)), created };
  const state = makeEventual(account.clock, { versions: [first], defaultId: first.id });
  account.policies.set(arn, { name, arn, id: makeId('ANPA'), created, state, nextVersion: 2 });
  return arn;
}

export function addOidc(account: Account, issuer: string, options: OidcOptions): string {
  const arn = `arn:aws:iam::${account.id}:oidc-provider/${issuer.replace(/^https?:\/\//u, '')}`;
  account.oidc.set(issuer, { ...options, arn });
  return arn;
}

/** The document that counts now. */
export function defaultPolicy(policy: ManagedPolicy): Policy {
  const { versions, defaultId } = policy.state.effective();
  const found = versions.find(({ id }) => id === defaultId);
  if (!found) throw new Error(`${policy.arn} has no default version`);
  return found.policy;
}

/** Characters as IAM counts them for its quotas: without white space. */
export function sizeOf(text: string): number {
  return text.replace(/\s/gu, '').length;
}

function named(name: string): string {
  if (!NAME.test(name)) throw new Error(`${name} is no name for IAM`);
  return name;
}
