import { Fault, ProviderError } from '../../domain/errors.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import { isJsonObject } from '../../domain/json.ts';
import { Secret } from '../../domain/secret.ts';
import type { Minted, Plan, ProviderDeps } from '../provider.ts';
import { readRequest, refused } from './plan.ts';

/**
 * Signs what was planned, and holds the token against the plan. However this fails nothing lives: until the issuance is
 * recorded the token is known to this process alone, and a token that nobody has is none.
 */
export async function mintToken(deps: ProviderDeps, plan: Plan, signal: AbortSignal): Promise<Minted> {
  const request = readRequest(deps, plan);
  if (!request) throw refused('plan_of_another_set_up');
  if (deps.reservedAudiences.has(request.audience)) throw refused('audience_reserved');
  const token = await unlessGone(signal, () => deps.signer.sign(request.class, request.claims));
  if (!says(token, request.claims)) throw new ProviderError('provider_answer_wrong', { nothingLives: true });
  return {
    credential: new Secret({ type: 'jwt', token, audience: request.audience }),
    handle: { jti: plan.mint },
    expiresAt: plan.endsAt,
  };
}

/** Signs, unless the caller goes away first. @throws ProviderError alone. */
export function unlessGone(signal: AbortSignal, sign: () => Promise<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new ProviderError('provider_timeout', { nothingLives: true }));
    if (signal.aborted) {
      gone();
      return;
    }
    signal.addEventListener('abort', gone, { once: true });
    sign()
      .then(resolve, (error: unknown) => reject(asProviderError(error)))
      .finally(() => signal.removeEventListener('abort', gone));
  });
}

/** Without a key nothing can be signed until there is one again; anything else is this token's own fault. */
function asProviderError(error: unknown): ProviderError {
  const code = error instanceof Fault ? 'provider_unreachable' : 'provider_refused';
  const facts = error instanceof Fault ? { fault: error.code } : {};
  return new ProviderError(code, { nothingLives: true, facts, cause: error });
}

/** Whether the token is one of the right kind with exactly these claims. */
function says(token: string, claims: JsonObject): boolean {
  const [header, payload, signature, ...rest] = token.split('.');
  if (!signature || rest.length > 0 || payload !== encode(claims)) return false;
  const { typ, alg, kid } = decode(header) ?? {};
  return typ === 'at+jwt' && alg === 'ES256' && kid !== undefined;
}

function encode(claims: JsonObject): string {
  return Buffer.from(JSON.stringify(claims)).toString('base64url');
}

function decode(part = ''): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString()) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
