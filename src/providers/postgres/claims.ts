import { z } from 'zod';
import { ProviderError } from '../../domain/errors.ts';
import { canonicalJson } from '../../domain/json.ts';
import type { Parameters } from '../../domain/profile.ts';
import { fillText } from '../template.ts';

/** What a login is told that it is for, by name: as a template in a profile, filled in a plan. */
export const Claims = z
  .record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/), z.string().max(1_024))
  .refine((claims) => Object.keys(claims).length <= 20, 'are more than 20')
  .refine((claims) => Object.keys(claims).length > 0, 'are none');
export type Claims = z.infer<typeof Claims>;

/** Bytes of the claims as JSON: they stand in a catalogue that every session of the server reads. */
const MAX_BYTES = 4_096;

/** @throws ProviderError: Postgres' JSON has no NUL and no half of a surrogate pair. */
export function fillClaims(templates: Claims, parameters: Parameters): Claims {
  const value = (name: string) => {
    const given = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (given === undefined) throw refused('parameter_missing');
    return given;
  };
  const claims = Object.fromEntries(
    Object.entries(templates).map(([name, template]) => [name, fillText(template, value)]),
  );
  if (Object.values(claims).some((text) => /[\0\p{Cs}]/u.test(text))) throw refused('parameter_no_text');
  if (Buffer.byteLength(claimsText(claims)) > MAX_BYTES) throw refused('claims_too_large');
  return claims;
}

/**
 * The comment of the role. Whoever makes a role may set it, and the role itself may not: that takes CREATEROLE and ADMIN on
 * the role. A setting of the role or of its session would be a word of the login's own, which it may change.
 */
export function claimsText(claims: Claims): string {
  return canonicalJson(claims);
}

function refused(finding: string): ProviderError {
  return new ProviderError('provider_refused', { nothingLives: true, facts: { finding } });
}
