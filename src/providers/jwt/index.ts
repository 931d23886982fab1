import { ProviderError } from '../../domain/errors.ts';
import { makeSectionOf } from '../own.ts';
import type { Ended, Health, HealthFinding, MintRecord, ProviderDeps, ProviderKind } from '../provider.ts';
import type { Profile } from '../../domain/profile.ts';
import { JwtConfig, JwtSection, sectionProblems } from './config.ts';
import { mintToken, unlessGone } from './mint.ts';
import { planToken, readRequest } from './plan.ts';

/** Access tokens that the broker signs itself (RFC 9068), for resource servers that introspect them or verify them offline. */
export const jwt: ProviderKind<JwtConfig> = {
  kind: 'jwt',
  config: JwtConfig,
  section: JwtSection,
  sectionProblems,
  create(name, config, deps) {
    const sectionOf = makeSectionOf(JwtSection);
    return {
      name,
      kind: 'jwt',
      ...(config.max_ttl !== undefined && { maxTtlSeconds: config.max_ttl }),
      plan: (profile, parameters, mint) => planToken(deps, sectionOf(profile), parameters, mint),
      mint: (plan, signal) => mintToken(deps, plan, signal),
      // A token leaves the process that signed it only once the ledger has recorded its issuance. Whoever asks here has found
      // no such record and taken the mint over, so that none can follow: a token that is signed all the same is thrown away.
      find: () => Promise.resolve({ kind: 'absent' }),
      end: (mint) => Promise.resolve(endOf(deps, mint)),
      check: async (signal, profiles = []) =>
        healthOf([...(await keyFindings(deps, signal)), ...audienceFindings(deps, profiles)]),
      close: () => Promise.resolve(),
    };
  },
};

/**
 * A resource server that introspects is told that the token is inactive from the ledger's own commit on, which has happened:
 * it is ended. One that verifies offline is told nothing; so is one that was registered only after the token was issued.
 */
function endOf(deps: ProviderDeps, mint: MintRecord): Ended {
  const request = readRequest(deps, mint);
  const asks = request?.introspected === true && deps.introspectingAudiences.has(request.audience);
  return asks ? { kind: 'ended' } : { kind: 'not_revocable', until: mint.endsAt };
}

/** Signs something that is no token: it has ended already, and says nothing of anybody. */
async function keyFindings({ signer, clock }: ProviderDeps, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  try {
    await unlessGone(signal, () => signer.sign('access', { exp: Math.floor(clock.now().getTime() / 1000) }));
    return [];
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const message =
      'No key can sign now: the ledger is away, or a key-encryption key is missing. `keys` in /readyz says which.';
    return [{ severity: 'error', code: 'keys_unavailable', message }];
  }
}

/** Writ's own audiences are known where the configuration is put together, not where a profile is read. */
function audienceFindings({ reservedAudiences }: ProviderDeps, profiles: readonly Profile[]): readonly HealthFinding[] {
  return profiles
    .filter((profile) => reservedAudiences.has(JwtSection.parse(profile.section).audience))
    .map(({ name }) => ({
      severity: 'error',
      code: 'audience_reserved',
      message: `The profile ${name} makes tokens for an audience of Writ's own: each of them is refused.`,
    }));
}

function healthOf(findings: readonly HealthFinding[]): Health {
  return { healthy: findings.every(({ severity }) => severity !== 'error'), findings };
}
