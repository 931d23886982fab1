import { makeClient, type Client } from '../../src/client/index.ts';
import { makeTestKey, signCompact } from './issuer.ts';

export const TRUST_DOMAIN = 'test.example';
export const AUDIENCE = 'https://writ.test';
export const OPERATORS = { issuer: 'https://sso.test', audience: 'writ-operators' } as const;

/** Longer than usual: brokers are stopped on purpose, on machines that are slow. */
const PATIENCE = { timeoutMs: 55_000 };

/** A SPIFFE id of the trust domain that a test's brokers trust. */
export const agentId = (name: string) => `spiffe://${TRUST_DOMAIN}/agent/${name}`;

/** Whose word counts in a test: a SPIFFE bundle and an operators' JWKS, with the tokens to go with them. */
export interface Authority {
  readonly bundle: string;
  readonly operatorsJwks: string;
  /** A client of the broker at `url` as this workload, on the task whose token that is. */
  agent(url: string, id: string, taskToken?: string): Client;
  /** The same as a person's own agent: what it shows comes from the issuer of operators, in that person's name. */
  ownAgent(url: string, subject: string): Client;
  /** A person's own word, made out to the broker, for whoever acts on their behalf. */
  person(subject: string): string;
  /** The same as an operator; who has which role is in the broker's configuration. */
  operator(url: string, subject: string): Client;
  operatorToken(subject: string): string;
}

/** Keys are made here and never written down. */
export function makeAuthority(): Authority {
  const workloads = makeTestKey('workloads');
  const operators = makeTestKey('operators');
  const sign = (key: typeof workloads, claims: object) => {
    const iat = Math.floor(Date.now() / 1000);
    const header = JSON.stringify({ alg: key.alg, kid: key.kid, typ: 'JWT' });
    return signCompact(key, header, JSON.stringify({ iat, exp: iat + 300, ...claims }));
  };
  const operatorToken = (sub: string) => sign(operators, { iss: OPERATORS.issuer, aud: OPERATORS.audience, sub });
  const person = (sub: string) => sign(operators, { iss: OPERATORS.issuer, aud: AUDIENCE, sub });
  return {
    bundle: JSON.stringify({ keys: [{ ...workloads.jwk, use: 'jwt-svid' }] }),
    operatorsJwks: JSON.stringify({ keys: [{ ...operators.jwk, use: 'sig' }] }),
    agent: (url, id, taskToken) =>
      makeClient({
        ...PATIENCE,
        url,
        identityToken: () => sign(workloads, { sub: id, aud: AUDIENCE }),
        ...(taskToken === undefined ? {} : { taskToken }),
      }),
    ownAgent: (url, sub) => makeClient({ ...PATIENCE, url, identityToken: () => person(sub) }),
    person,
    operator: (url, sub) => makeClient({ ...PATIENCE, url, operatorToken: () => operatorToken(sub) }),
    operatorToken,
  };
}
