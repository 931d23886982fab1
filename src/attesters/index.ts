import type { Identity } from '../domain/identity.ts';
import type { Attester, AttesterDeps, AttesterKind, Evidence, TrustEntry } from './attester.ts';
import { githubActions } from './github-actions/index.ts';
import { firstAccepted } from './judge.ts';
import { kubernetes } from './kubernetes/index.ts';
import { makeMemory } from './memory.ts';
import { oidc } from './oidc/index.ts';
import { spiffe } from './spiffe/index.ts';
import { parseToken } from './token.ts';

/** Every kind of trust entry. Adding one is a folder and a word here. */
export const attesterKinds = [spiffe, oidc, kubernetes, githubActions] as const;

/** Verified tokens that are remembered, about 1 KiB each. */
const REMEMBERED = 10_000;

/** Who shows this? @throws Refusal `evidence_*`; Fault `evidence_source_unavailable`. */
export type Attest = (evidence: Evidence, now: Date) => Promise<Identity>;

/** The trust entries at work, in the order of the configuration. */
export function makeAttesters(entries: readonly TrustEntry[], deps: AttesterDeps): Attester[] {
  const kinds = new Map<string, AttesterKind>(attesterKinds.map((kind) => [kind.kind, kind]));
  return entries.map((entry) => {
    const kind = kinds.get(entry.kind);
    if (!kind) throw new Error(`trust entry ${entry.name}: unknown kind ${entry.kind}`);
    return kind.create(entry, deps);
  });
}

/**
 * The first entry that accepts a token names the workload. A token is verified once and then remembered: shown again it
 * costs a digest, and is refused as soon as its time ends or the key that signed it is withdrawn.
 */
export function makeAttest(attesters: readonly Attester[]): Attest {
  const memory = makeMemory<Identity>(REMEMBERED);
  return (evidence, now) =>
    memory(evidence.token, now, async () => {
      const token = parseToken(evidence.token);
      const candidates = attesters.filter((attester) => attester.claims(token));
      return firstAccepted(candidates.map((attester) => () => attester.attest(token, now)));
    });
}
