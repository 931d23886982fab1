import type { Profile } from '../../domain/profile.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Planned } from '../own.ts';
import type { HealthFinding, Plan, Provider, ProviderDeps } from '../provider.ts';
import { makeFindRole } from './attachments.ts';
import { makeBoundary } from './boundary.ts';
import { makeTryRole } from './canary.ts';
import type { Pace } from './call.ts';
import { checkAws } from './check.ts';
import { makeClients, type Clients } from './clients.ts';
import { boundariesOf, type AwsConfig } from './config.ts';
import { endSession, findSession } from './end.ts';
import type { Known } from './known.ts';
import { mintSession } from './mint.ts';
import { makeParents } from './parents.ts';
import type { AwsRequest } from './plan.ts';
import { makeRevocation, type Account, type Revocation } from './revocation.ts';

/** All of the provider that talks to AWS; with it comes the SDK, which a broker without an AWS provider does without. */
export interface Runtime extends Pick<Required<Provider>, 'mint' | 'mintWhen' | 'find' | 'end'> {
  upkeep(signal: AbortSignal): Promise<void>;
  check(signal: AbortSignal, profiles: readonly Profile[]): Promise<readonly HealthFinding[]>;
  close(): void;
}

/** What is known without the SDK. */
export interface Shared {
  readonly known: Known;
  readonly planned: Planned<AwsRequest>;
}

export function makeRuntime(name: string, config: AwsConfig, deps: ProviderDeps, { known, planned }: Shared): Runtime {
  const { clock } = deps;
  const clients = makeClients(config, deps);
  const parents = makeParents(clock.now);
  const revocation = revocationOf(name, config, deps, clients, known);
  const tryRole = makeTryRole(clients, config.region, clock);
  const ending = { clock, parents, revocation };
  const minting = { clients, known, parents, clock };
  const mint = (plan: Plan, pace: Pace) => mintSession(minting, planned.read(plan), pace);
  return {
    mint: (plan, signal) => mint(plan, { signal }),
    mintWhen: (recorded, plan, signal) => mint(plan, { signal, recorded }),
    find: (mint, signal) => findSession(ending, mint, signal),
    end: (mint, handle, why, signal) => endSession(ending, mint, handle, why, signal),
    async upkeep(signal) {
      parents.prune();
      // An account that is away keeps no other waiting, and does not go unsaid.
      const kept = [...revocation.accounts.values()].map(({ boundary }) => boundary.keep(signal));
      const failed = (await Promise.allSettled(kept)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    },
    check: (signal, profiles) => checkAws({ config, clients, known, revocation, tryRole, clock }, profiles, signal),
    close() {
      for (const { boundary } of revocation.accounts.values()) boundary.close();
      clients.close();
    },
  };
}

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
