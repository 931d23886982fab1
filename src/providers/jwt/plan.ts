import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { Parameters } from '../../domain/profile.ts';
import type { MintRequest, Plan, ProviderDeps } from '../provider.ts';
import { fillObject, fillText } from '../template.ts';
import type { Fill } from '../template.ts';
import type { JwtSection } from './config.ts';
import { isWord } from './scope.ts';

type Deps = Pick<ProviderDeps, 'issuer' | 'introspectingAudiences' | 'reservedAudiences'>;

/** A token stands in a header of a request; servers take about 8 KiB of those. Bytes of the claims as JSON. */
const MAX_CLAIMS_BYTES = 4_096;

/** A plan's `request`: `class`, `introspected` and `claims`; the audience is one of the claims. */
export interface JwtRequest {
  readonly class: 'access';
  /** The audience asks about tokens: one is dead there as soon as its grant is. */
  readonly introspected: boolean;
  readonly audience: string;
  /** Exactly as they will be signed (RFC 9068 §2.2). */
  readonly claims: JsonObject;
}

export function planToken(
  deps: Deps,
  { audience, scope, claims = {} }: JwtSection,
  parameters: Parameters,
  mint: MintRequest,
): Plan {
  if (deps.reservedAudiences.has(audience)) throw refused('audience_reserved');
  const iat = seconds(mint.now);
  const exp = seconds(mint.endsAt);
  if (exp <= iat) throw refused('end_has_passed');
  const all: JsonObject = {
    ...fillObject(claims, valueOf(parameters)),
    // Last, so that nothing can take its place.
    iss: deps.issuer,
    sub: mint.subject.id,
    aud: audience,
    iat,
    exp,
    jti: mint.mint,
    client_id: mint.subject.id,
    ...(scope !== undefined && { scope: fillText(scope, scopeWord(parameters)) }),
    // A workload's id is unique only together with the trust entry that vouched for it.
    writ_trust: mint.subject.trust,
    writ_grant: mint.grant,
    writ_task: mint.task,
  };
  if (Buffer.byteLength(JSON.stringify(all)) > MAX_CLAIMS_BYTES) throw refused('claims_too_large');
  const introspected = deps.introspectingAudiences.has(audience);
  return {
    mint: mint.mint,
    endsAt: new Date(exp * 1000),
    revocability: introspected ? { mode: 'immediate' } : { mode: 'bounded', withinSeconds: exp - iat },
    request: { class: 'access', introspected, claims: all },
  };
}

/** A plan's request as it comes back from the ledger, where this broker made it. */
export function readRequest(deps: Deps, plan: Pick<Plan, 'mint' | 'endsAt' | 'request'>): JwtRequest | undefined {
  const { class: tokenClass, introspected, claims } = plan.request;
  if (tokenClass !== 'access' || typeof introspected !== 'boolean' || !isJsonObject(claims)) return undefined;
  const { iss, aud, jti, exp } = claims;
  const ours = iss === deps.issuer && jti === plan.mint && exp === seconds(plan.endsAt) && typeof aud === 'string';
  return ours ? { class: tokenClass, introspected, audience: aud, claims } : undefined;
}

/** Down to the whole second: a token never outlives its grant. */
function seconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1000);
}

function valueOf(parameters: Parameters): Fill {
  return (name) => {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value === undefined) throw refused('parameter_missing');
    return value;
  };
}

/** A caller's value stays the word that the profile made room for. */
function scopeWord(parameters: Parameters): Fill {
  const value = valueOf(parameters);
  return (name) => {
    const word = value(name);
    if (!isWord(word)) throw refused('parameter_no_scope_word');
    return word;
  };
}

/** Refused before anything was signed. */
export function refused(finding: string): ProviderError {
  return new ProviderError('provider_refused', { nothingLives: true, facts: { finding } });
}
