import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import type { JWK } from 'jose';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import type { OperatorRole } from '../domain/identity.ts';
import { readOrMake, writePrivate } from './private-file.ts';

export const DEV_TRUST_DOMAIN = 'dev.local';
export const DEV_OPERATORS_ISSUER = 'https://operators.dev.local';
export const DEV_OPERATORS_AUDIENCE = 'writ-operators';

const ALG = 'ES256';
const IDENTITY_SECONDS = 300;
const OPERATOR_SECONDS = 7 * 86_400;

/** The development identity issuer: stands in for SPIRE and for an operators' single sign-on, on this machine alone. */
export interface DevIssuer {
  /** Files with the public halves: a SPIFFE bundle, and a JWKS for operators. */
  readonly bundleFile: string;
  readonly operatorsFile: string;
  /** A JWT-SVID. `ttl` in seconds. */
  identityToken(id: string, audience: string, ttl?: number): Promise<string>;
  operatorToken(role: OperatorRole): Promise<string>;
  /** A token for each role, each of another subject, and one of another person who has `security`: some things take two. */
  operatorTokens(): Promise<Record<DevOperator, string>>;
}

export type DevOperator = OperatorRole | typeof SECOND_SECURITY;
export const SECOND_SECURITY = 'second_security';

/** Opens the issuer whose key lies in `directory`; makes one the first time. */
export async function openDevIssuer(directory: string): Promise<DevIssuer> {
  const text = await readOrMake(join(directory, 'dev-issuer.json'), async () => JSON.stringify(await newKey()));
  const jwk = JSON.parse(text) as JWK;
  const key = await importJWK(jwk, ALG);
  const { kty, crv, x, y, kid = '' } = jwk;
  const publicJwk = { kty, crv, x, y, kid };
  const bundleFile = join(directory, 'dev-bundle.json');
  const operatorsFile = join(directory, 'dev-operators.json');
  await writePrivate(bundleFile, JSON.stringify({ keys: [{ ...publicJwk, use: 'jwt-svid' }] }));
  await writePrivate(operatorsFile, JSON.stringify({ keys: [{ ...publicJwk, use: 'sig', alg: ALG }] }));

  const sign = (claims: Record<string, unknown>, subject: string, audience: string, seconds: number) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: ALG, kid, typ: 'JWT' })
      .setSubject(subject)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${seconds}s`)
      .sign(key);
  const operatorToken = (who: DevOperator) =>
    sign({ iss: DEV_OPERATORS_ISSUER }, operatorSubject(who), DEV_OPERATORS_AUDIENCE, OPERATOR_SECONDS);
  return {
    bundleFile,
    operatorsFile,
    identityToken: (id, audience, ttl = IDENTITY_SECONDS) => sign({}, id, audience, ttl),
    operatorToken,
    async operatorTokens() {
      const all = [...OPERATOR_ROLES, SECOND_SECURITY] as const;
      const tokens = await Promise.all(all.map(async (who) => [who, await operatorToken(who)] as const));
      return Object.fromEntries(tokens) as Record<DevOperator, string>;
    },
  };
}

export function operatorSubject(who: DevOperator): string {
  return `${who}@${DEV_TRUST_DOMAIN}`;
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALG, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}
