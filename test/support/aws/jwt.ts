import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import { AwsError } from './errors.ts';
import { isObject } from './policy/json.ts';

export interface VerifiedClaims {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
}

/** Header, claims and signature of a compact JWT, nothing of it verified. */
interface Parts {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly input: string;
  readonly signature: Buffer;
}

const ALGORITHMS = /^(RS|ES)(256|384|512)$/u;

export function issuerOf(token: string): string {
  const { iss } = parse(token).claims;
  return typeof iss === 'string' ? iss : '';
}

/** Holds a web identity token against the issuer's keys and the time, as STS does. */
export function verifyToken(token: string, jwks: unknown, now: Date): VerifiedClaims {
  const { header, claims, input, signature } = parse(token);
  const algorithm = String(header['alg']);
  const match = ALGORITHMS.exec(algorithm);
  if (!match) throw invalidToken(`The algorithm ${algorithm} is not supported`);
  const keys: readonly unknown[] = isObject(jwks) && Array.isArray(jwks['keys']) ? jwks['keys'] : [];
  const jwk = keys.filter(isObject).find(({ kid }) => kid === header['kid']);
  if (!jwk) throw invalidToken("Couldn't retrieve verification key from your identity provider");
  const key = keyOf(jwk);
  const fits = key.asymmetricKeyType === (match[1] === 'RS' ? 'rsa' : 'ec');
  const good =
    fits && verify(`sha${match[2] ?? ''}`, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (!good) throw invalidToken('The signature of the web identity token is not valid');
  const { iss, sub, aud, exp, nbf } = claims;
  const seconds = now.getTime() / 1000;
  if (typeof iss !== 'string' || typeof sub !== 'string') throw invalidToken('Missing a required claim: iss or sub');
  if (typeof exp !== 'number') throw invalidToken('Missing a required claim: exp');
  if (exp <= seconds) {
    throw new AwsError(
      400,
      'ExpiredTokenException',
      `Token expired: current date/time ${Math.floor(seconds)} must be before the expiration date/time ${exp}`,
    );
  }
  if (typeof nbf === 'number' && nbf > seconds) throw invalidToken('The token is not valid yet');
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return { claims, issuer: iss, subject: sub, audiences: audiences.filter((one) => typeof one === 'string') };
}

function keyOf(jwk: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw invalidToken("Couldn't retrieve verification key from your identity provider");
  }
}

function parse(token: string): Parts {
  const [header = '', claims = '', signature = '', ...more] = token.split('.');
  if (more.length > 0 || signature === '') throw invalidToken('The ID Token provided is not a valid JWT.');
  const read = (part: string) => {
    try {
      const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
      if (isObject(value)) return value;
    } catch {
      // as below
    }
    throw invalidToken('The ID Token provided is not a valid JWT.');
  };
  return {
    header: read(header),
    claims: read(claims),
    input: `${header}.${claims}`,
    signature: Buffer.from(signature, 'base64url'),
  };
}

export const invalidToken = (message: string) => new AwsError(400, 'InvalidIdentityToken', message);
