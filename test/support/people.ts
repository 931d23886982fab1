import { makeTestKey, signCompact } from './issuer.ts';
import type { TestKey } from './issuer.ts';

export const AUDIENCE = 'https://writ.test';
export const OPERATORS = { issuer: 'https://sso.test', audience: 'writ-operators' } as const;

export type Role = 'platform' | 'security' | 'approver' | 'auditor';
type Claims = Readonly<Record<string, unknown>>;

/** Tokens of workloads and operators, signed by keys that are made here and never written down. */
export interface People {
  /** SPIFFE bundle and JWKS with the public halves. */
  readonly bundle: string;
  readonly operatorsJwks: string;
  /** Evidence of `spiffe://test.example/NAME`, or of another id given as a whole. */
  workload(name: string, claims?: Claims): string;
  /** Of a group named after the role; `subject` tells two with the same role apart; no role: of no group. */
  operator(role: Role | undefined, subject?: string, claims?: Claims): string;
  /** What must never be written down anywhere. */
  readonly privateKeys: readonly TestKey['privateKey'][];
}

export function makePeople(): People {
  const workloads = makeTestKey('workloads');
  const operators = makeTestKey('operators');
  const sign = (key: TestKey, claims: Claims) => {
    const iat = Math.floor(Date.now() / 1000);
    const header = JSON.stringify({ alg: key.alg, kid: key.kid, typ: 'JWT' });
    return signCompact(key, header, JSON.stringify({ iat, exp: iat + 600, ...claims }));
  };
  return {
    bundle: JSON.stringify({ keys: [{ ...workloads.jwk, use: 'jwt-svid' }] }),
    operatorsJwks: JSON.stringify({ keys: [{ ...operators.jwk, use: 'sig' }] }),
    workload: (name, claims) => {
      const sub = name.startsWith('spiffe://') ? name : `spiffe://test.example/${name}`;
      return sign(workloads, { sub, aud: AUDIENCE, ...claims });
    },
    operator: (role, subject = role ?? 'nobody', claims) =>
      sign(operators, {
        iss: OPERATORS.issuer,
        aud: OPERATORS.audience,
        sub: subject,
        groups: role === undefined ? [] : [role],
        ...claims,
      }),
    privateKeys: [workloads.privateKey, operators.privateKey],
  };
}

/** Claims of a token that has ended. */
export function expired(): Claims {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now - 600, exp: now - 60 };
}
