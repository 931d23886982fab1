import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { makeAttest, makeAttesters } from './attesters/index.ts';
import { makeKeySources } from './attesters/keys/sources.ts';
import { makeOperators, operatorTrustSchema } from './attesters/operators.ts';
import type { Settings } from './config/index.ts';
import type { Clock } from './domain/clock.ts';
import type { Outbound } from './domain/outbound.ts';
import type { Attested } from './domain/trust.ts';

export interface IdentityDeps {
  /** What evidence of a workload must be meant for. */
  readonly audience: string;
  readonly clock: Clock;
  readonly outbound: Outbound;
}

/** A file that the configuration names, relative to it. */
export function makeReadFile({ directory }: Settings) {
  return (path: string) => readFile(resolve(directory, path), 'utf8');
}

/** Whose word counts: workloads, principals and operators by the entries of the configuration, and the keys to check it with. */
export function makeIdentities(settings: Settings, { audience, clock, outbound }: IdentityDeps) {
  const read = makeReadFile(settings);
  const { trust } = settings.identity;
  const keys = makeKeySources({ outbound, readFile: read });
  const attesters = makeAttesters(trust, { audience, clock, outbound, readFile: read, keys });
  const attesting = (what: Attested) => {
    const attest = makeAttest(attesters.filter((_, index) => trust[index]?.attests.includes(what)));
    return (token: string) => attest({ kind: 'bearer', token }, clock.now());
  };
  const entries = settings.operators.trust.map((entry) => operatorTrustSchema.parse(entry.config));
  const operators = makeOperators(entries, { clock, keys });
  // Not waited for: an issuer that is away keeps only its own workloads out.
  void keys.load(clock.now());
  return {
    attestWorkload: attesting('workloads'),
    attestPrincipal: attesting('principals'),
    authenticateOperator: (token: string) => operators.authenticate(token, clock.now()),
    operatorAudiences: entries.map((entry) => entry.audience),
    status: () => [...attesters.map((attester) => attester.status()), ...operators.status()],
    keysAgeSeconds: () => Object.fromEntries(attesters.map((one) => [one.name, one.status().keysAgeSeconds ?? 0])),
  };
}
export type Identities = ReturnType<typeof makeIdentities>;
