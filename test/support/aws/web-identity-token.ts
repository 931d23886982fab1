import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import type { Account } from './account.ts';
import type { SignedAction } from './actions.ts';
import { requireAllowed } from './authorize.ts';
import { AwsError } from './errors.ts';
import { list, optionalInteger, text, violated } from './query.ts';

type Algorithm = 'RS256' | 'ES384';

const HASHES: Readonly<Record<Algorithm, string>> = { RS256: 'sha256', ES384: 'sha384' };

/**
 * GetWebIdentityToken: a JWT of the caller that others believe without asking AWS again, so that it outlives any deny
 * written after it. Its end is never past the session's.
 */
export function makeGetWebIdentityToken(issuer: string): SignedAction {
  const keys = new Map<Algorithm, KeyObject>();
  const keyOf = (algorithm: Algorithm): KeyObject => {
    const known = keys.get(algorithm);
    if (known) return known;
    const { privateKey } =
      algorithm === 'ES384'
        ? generateKeyPairSync('ec', { namedCurve: 'P-384' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
    keys.set(algorithm, privateKey);
    return privateKey;
  };
  return {
    signed: true,
    params: ['Audience', 'DurationSeconds', 'SigningAlgorithm'],
    run(account, form, who) {
      const seconds = optionalInteger(form, 'DurationSeconds', 60, 3600) ?? 300;
      const algorithm = text(form, 'SigningAlgorithm', { min: 5, max: 5 });
      if (algorithm !== 'RS256' && algorithm !== 'ES384') {
        throw violated(algorithm, 'SigningAlgorithm', 'Member must satisfy enum value set: [RS256, ES384]');
      }
      const audiences = list(form, 'Audience');
      if (audiences.length < 1) throw violated('[]', 'Audience', 'Member must have length greater than or equal to 1');
      requireAllowed(account, who, 'sts:GetWebIdentityToken', '*');
      const now = Math.floor(account.clock.now().getTime() / 1000);
      const expiration = new Date((now + seconds) * 1000);
      if (who.is === 'session' && expiration > who.expiration) {
        throw new AwsError(
          403,
          'SessionDurationEscalationException',
          'The requested token duration would extend the session beyond its original expiration time.',
        );
      }
      const subject = who.is === 'session' ? who.of.arn : who.arn;
      const claims = { iss: issuer, sub: subject, aud: audiences, iat: now, exp: now + seconds, jti: randomUUID() };
      const token = signed(claims, algorithm, keyOf(algorithm));
      account.webTokens.set(token, expiration);
      return { WebIdentityToken: token, Expiration: expiration };
    },
  };
}

/** What whoever trusts the account's issuer would say of a token: it does not ask AWS about sessions or policies. */
export function judgeWebToken(account: Account, token: string): 'valid' | 'expired' | 'invalid' {
  const expiration = account.webTokens.get(token);
  if (!expiration) return 'invalid';
  return expiration > account.clock.now() ? 'valid' : 'expired';
}

function signed(claims: object, algorithm: Algorithm, key: KeyObject): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: algorithm, typ: 'JWT', kid: algorithm })}.${part(claims)}`;
  const signature = sign(HASHES[algorithm], Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
