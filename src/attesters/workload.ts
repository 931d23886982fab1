import type { Identity } from '../domain/identity.ts';
import type { Attester, AttesterDeps, TrustEntry, UnverifiedToken } from './attester.ts';
import type { SourceStatus } from './keys/source.ts';
import { judgeToken, type Judge } from './judge.ts';
import { DEFAULT_MAX_AGE } from './rules.ts';

/** What the claims of a workload's token say about it. */
export interface Workload {
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly groups: readonly string[];
  /** `sub` of the evidence. */
  readonly subject?: string;
}

/** What is particular to a kind; the rest is the same for all. */
export interface WorkloadJudge extends Omit<Judge<Workload, Identity>, 'rules' | 'value'> {
  readonly rules: Omit<Judge<Workload, Identity>['rules'], 'audience' | 'maxAge'>;
  readonly claims: (token: UnverifiedToken) => boolean;
  /** Of whom `confirm` asks. */
  readonly status?: (() => SourceStatus) | undefined;
}

export function makeAttester(entry: TrustEntry, deps: AttesterDeps, how: WorkloadJudge): Attester {
  const { name, kind, vouchesFor, maxAge = DEFAULT_MAX_AGE } = entry;
  const { issuer } = how.rules;
  const judge: Judge<Workload, Identity> = {
    ...how,
    rules: { ...how.rules, audience: deps.audience, maxAge },
    read: (payload) => {
      const { sub } = payload;
      return { ...how.read(payload), ...(typeof sub === 'string' && { subject: sub }) };
    },
    value: ({ id, attributes, groups, subject }, expiresAt, now) => {
      const vouchedUntil = vouchesFor === undefined ? expiresAt : new Date(now.getTime() + vouchesFor * 1_000);
      const who = issuer !== undefined && subject !== undefined ? { issuer, subject } : {};
      return { id, trust: name, attributes, groups, expiresAt, vouchedUntil, ...who };
    },
  };
  return {
    kind,
    name,
    claims: how.claims,
    attest: (token, now) => judgeToken(token, judge, now),
    status() {
      const keys = how.keys?.status(deps.clock.now());
      const asked = how.status?.();
      const healthy = (keys?.healthy ?? true) && (asked?.healthy ?? true);
      return { name, kind, ...keys, ...asked, healthy };
    },
  };
}
