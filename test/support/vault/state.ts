import { randomBytes } from 'node:crypto';
import { capabilitiesOn, fillRule, parsePolicy, type Rule } from './acl.ts';

/** An answer that is no success: a status and Vault's own words. */
export class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface FakeToken {
  readonly id: string;
  readonly accessor: string;
  readonly parent: string | undefined;
  readonly policies: readonly string[];
  readonly meta: Readonly<Record<string, string>> | null;
  readonly displayName: string;
  readonly path: string;
  readonly role: string | undefined;
  readonly entity: string;
  readonly type: string;
  readonly issuedMs: number;
  readonly creationTtl: number;
  readonly explicitMaxTtl: number;
  readonly renewable: boolean;
  readonly period: number;
  uses: number;
  /** Infinity: never. */
  expiresMs: number;
  /** Of a wrapping token: what it gives, once. */
  readonly wrapped?: object;
}

export interface FakeLease {
  readonly id: string;
  readonly token: string;
  readonly issuedMs: number;
  expiresMs: number;
  readonly revoke: () => void;
}

export interface FakeEntity {
  readonly id: string;
  readonly name: string;
  metadata: Readonly<Record<string, string>>;
  disabled: boolean;
  readonly aliases: { readonly name: string; readonly mount: string }[];
  /** Policies of groups that it was put into by hand. */
  groupPolicies: readonly string[];
}

export type FakeRole = Readonly<Record<string, unknown>>;

export interface AppRole {
  readonly roleId: string;
  readonly secrets: Set<string>;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Default and greatest life of a token or lease: 768 hours, as a new server has it. */
export const SYSTEM_TTL = 2_764_800;

/** Everything of one namespace. Times are the server's own, which tests move. */
export function makeState(nowMs: () => number, suffix: string) {
  const tokens = new Map<string, FakeToken>();
  const leases = new Map<string, FakeLease>();
  const entities = new Map<string, FakeEntity>();
  const policies = new Map([['response-wrapping', 'path "sys/wrapping/unwrap" { capabilities = ["update"] }']]);
  const queue = new Set<string>();
  const history = new Map<string, string>();
  const id = (prefix: string) => `${prefix}${randomBytes(18).toString('base64url').replaceAll(/[-_]/g, 'x')}${suffix}`;

  const state = {
    suffix,
    tokens,
    leases,
    entities,
    policies,
    /** Leases that Vault has yet to revoke. */
    queue,
    roles: new Map<string, FakeRole>(),
    appRoles: new Map<string, AppRole>(),
    /** JWTs that the methods jwt and kubernetes accept, with the policies of their role. */
    jwts: new Map<string, { readonly method: string; readonly role: string; readonly settings: FakeRole }>(),
    auths: new Map<string, string>([['token/', 'auth_token_1234abcd']]),
    kv: new Map<string, unknown>(),
    databaseRoles: new Map<string, { readonly ttl: number; readonly maxTtl: number }>(),
    id,
    nowMs,

    add(made: Omit<FakeToken, 'id' | 'accessor' | 'issuedMs'>): FakeToken {
      const token = { ...made, id: id('s.'), accessor: id(''), issuedMs: nowMs() };
      tokens.set(token.id, token);
      history.set(token.id, made.meta?.['writ_mint'] ?? '');
      return token;
    },
    /** Every token that was ever made, by id. */
    everMade: (): string[] => [...history.keys()],
    /** Also of a token that is no more. */
    mintOf: (token: string) => history.get(token),
    alive: (token: FakeToken | undefined): token is FakeToken =>
      token !== undefined && tokens.has(token.id) && token.expiresMs > nowMs() && token.uses >= 0,
    byAccessor: (accessor: string) => [...tokens.values()].find((token) => token.accessor === accessor),

    /** With its children, and all that was leased to them is queued. */
    revoke(token: FakeToken): void {
      for (const child of [...tokens.values()]) if (child.parent === token.id) state.revoke(child);
      for (const lease of leases.values()) if (lease.token === token.id) queue.add(lease.id);
      tokens.delete(token.id);
    },
    /** What has come due. */
    expire(): void {
      for (const token of [...tokens.values()]) if (token.expiresMs <= nowMs()) state.revoke(token);
      for (const lease of leases.values()) if (lease.expiresMs <= nowMs()) queue.add(lease.id);
    },
    /** What is queued, as far as the engines take part. */
    work(): void {
      for (const each of [...queue]) {
        try {
          state.revokeLease(each);
        } catch {
          // tried again when it comes round
        }
      }
    },
    /** @throws Error of the engine: then the lease stays. */
    revokeLease(leaseId: string): void {
      const lease = leases.get(leaseId);
      if (lease) {
        lease.revoke();
        leases.delete(leaseId);
      }
      queue.delete(leaseId);
    },

    entityOf: (name: string) => [...entities.values()].find((entity) => entity.name === name),
    rulesOf(token: FakeToken): Rule[] {
      const entity = entities.get(token.entity);
      const names = [...token.policies, ...(entity?.groupPolicies ?? [])];
      const value = (reference: string) => {
        const key = /^identity\.entity\.metadata\.(.+)$/.exec(reference)?.[1];
        return key === undefined ? undefined : entity?.metadata[key];
      };
      return names.flatMap((name) =>
        parsePolicy(policies.get(name) ?? '').flatMap((rule) => fillRule(rule, value) ?? []),
      );
    },
    capabilities(token: FakeToken, path: string): string[] {
      if (token.policies.includes('root')) return ['root'];
      return capabilitiesOn(state.rulesOf(token), path);
    },
  };
  return state;
}

export type FakeState = ReturnType<typeof makeState>;
