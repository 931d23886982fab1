import type { JsonObject } from '../../domain/json.ts';
import type { Provider, ProviderDeps, ProviderKind } from '../provider.ts';
import { makeFindRole } from './attachments.ts';
import { makeBoundary } from './boundary.ts';
import { makeTryRole } from './canary.ts';
import { checkAws } from './check.ts';
import { makeClients, type Clients } from './clients.ts';
import { AwsConfig, AwsSection, boundariesOf } from './config.ts';
import { endSession, findSession } from './end.ts';
import { makeKnown, type Known } from './known.ts';
import { LONGEST_CHAINED, LONGEST_SESSION } from './limits.ts';
import { mintSession } from './mint.ts';
import { makeParents } from './parents.ts';
import { planSession } from './plan.ts';
import { makeRevocation, type Account, type Revocation } from './revocation.ts';
import { sectionProblems } from './section-problems.ts';

/** The longest that any grant lives: where credentials are children, no session has to last for it. */
const LONGEST_GRANT = 30 * 86_400;

/** Sessions of roles, narrowed to the task; short where AWS lets them be, and denied in the roles' boundary when they are revoked. */
export const aws: ProviderKind<AwsConfig> = {
  kind: 'aws',
  config: AwsConfig,
  section: AwsSection,
  sectionProblems,
  create(name, config, deps): Provider {
    const { clock } = deps;
    const clients = makeClients(config, deps);
    const known = makeKnown(config);
    const parents = makeParents(clock.now);
    const revocation = revocationOf(name, config, deps, clients, known);
    const tryRole = makeTryRole(clients, config.region, clock);
    const ending = { clock, parents, revocation };
    return {
      name,
      kind: 'aws',
      get maxTtlSeconds() {
        if (known.scoped()) return LONGEST_GRANT;
        return known.chained() ? LONGEST_CHAINED : LONGEST_SESSION;
      },
      plan: (profile, parameters, mint) => planSession({ config, known }, profile, parameters, mint),
      mint: (plan, signal) => mintSession({ clients, known, parents, clock }, plan, signal),
      find: (mint, signal) => findSession(ending, mint, signal),
      end: (mint, handle, why, signal) => endSession(ending, mint, handle, why, signal),
      async upkeep(signal) {
        parents.prune();
        for (const { boundary } of revocation.accounts.values()) await boundary.keep(signal);
      },
      async check(signal, profiles = []) {
        const findings = await checkAws({ config, clients, known, revocation, tryRole, clock }, profiles, signal);
        return { healthy: findings.every(({ severity }) => severity !== 'error'), findings };
      },
      close() {
        for (const { boundary } of revocation.accounts.values()) boundary.close();
        clients.close();
        return Promise.resolve();
      },
    };
  },
};

/** Without a ledger there is nothing to render a list from. */
function revocationOf(
  provider: string,
  config: AwsConfig,
  { clock, issuer, record, warn }: ProviderDeps,
  clients: Clients,
  known: Known,
): Revocation {
  const accounts = new Map<string, Account>();
  const { revocation } = config;
  if (record && revocation) {
    for (const [account, boundary] of boundariesOf(config)) {
      const parts = { clients, clock, record: record(provider), issuer, provider };
      const told = (facts: JsonObject) => warn?.({ provider, ...facts }, 'a deny list is out of the ordinary');
      accounts.set(account, {
        boundary: makeBoundary({ ...parts, warn: told }, account, boundary, config),
        findRole: makeFindRole(clients.iam(boundary), clock),
      });
    }
  }
  return makeRevocation(accounts, known, (revocation?.propagation ?? 0) * 1000);
}
