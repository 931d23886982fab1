import type {
  EvidenceCount,
  EvidencePack,
  EvidencePolicy,
  EvidencePolicyCount,
  EvidenceUsage,
} from '../../client/index.ts';
import type { Control, Expected, Framework } from '../../domain/controls.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { JsonObject } from '../../domain/json.ts';

/** What there is for one control of a framework. */
export interface ControlEvidence {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly about: string;
  /** Policies in force at the end of the span that name it. */
  readonly policies: readonly EvidencePolicy[];
  /** How often these, in any rules of the span, were among those that decided. */
  readonly decided: readonly EvidencePolicyCount[];
  readonly events: readonly EvidenceCount[];
  readonly shows: Control['shows'];
  readonly missing: readonly string[];
  readonly cannot: string | undefined;
}

/** A framework held against what there is to show. */
export function judge(framework: Framework, pack: EvidencePack, now: Date): ControlEvidence[] {
  return framework.controls.map((control) => {
    const names = new Set([control.id, ...control.aliases].map((id) => `${framework.prefix}:${id}`));
    const carries = (policy: EvidencePolicy) => policy.controls.some((each) => names.has(each));
    const byRules = new Map(
      pack.generations.map(({ hash, policies }) => [hash, new Set(policies.filter(carries).map(({ id }) => id))]),
    );
    const policies = pack.generations.at(-1)?.policies.filter(carries) ?? [];
    const events = pack.events.filter(({ type }) => control.events.some((pattern) => fits(type, pattern)));
    const found = {
      policies,
      decided: pack.policies.filter(({ rules_hash, policy }) => byRules.get(rules_hash)?.has(policy)),
      events,
    };
    const missing = control.expects.flatMap((expected) => missingOf(expected, control, found, pack, now));
    const { id, aliases, about, shows, cannot } = control;
    return { id, aliases, about, shows, cannot, ...found, missing };
  });
}

function fits(type: string, pattern: string): boolean {
  return pattern.endsWith('.*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
}

type Found = Pick<ControlEvidence, 'policies' | 'events'>;

function missingOf(expected: Expected, control: Control, found: Found, pack: EvidencePack, now: Date): string[] {
  switch (expected) {
    case 'policies':
      return found.policies.length > 0 ? [] : ['no policy in force names this control with @control'];
    case 'events':
      return found.events.length > 0 ? [] : [`nothing of ${control.events.join(', ')} happened in this span`];
    case 'confirmed': {
      const stuck = count(pack, 'grant.stuck');
      return stuck === 0 ? [] : [`${stuck} ends were not confirmed by their provider in time (grant.stuck)`];
    }
    case 'signed':
      return pack.log['signed'] === true ? [] : ['checkpoints of the log are not signed'];
    case 'witness':
      return witnesses(pack) > 0 ? [] : ['no witness outside of the database keeps checkpoints'];
    case 'reviews': {
      const overdue = pack.exceptions.filter((exception) => isOverdue(exception, now));
      return overdue.map(
        (exception) => `exception ${text(exception['id'])} was to be reviewed by ${text(exception['review_by'])}`,
      );
    }
    case 'use': {
      const unused = pack.usage.filter(isUnused);
      if (unused.length === 0) return [];
      return [
        `${unused.length} ${unused.length === 1 ? 'workload holds' : 'workloads hold'} a profile under which no call is on record`,
      ];
    }
  }
}

const count = (pack: EvidencePack, type: string) =>
  pack.events.filter((each) => each.type === type).reduce((sum, each) => sum + each.count, 0);

export function witnesses(pack: EvidencePack): number {
  const named = pack.log['witnesses'];
  return isJsonObject(named) ? Object.keys(named).length : 0;
}

export function isOverdue(exception: JsonObject, now: Date): boolean {
  const { reviewed_at: reviewed, review_by: by, state } = exception;
  const counts = state === 'approved' || state === 'ended';
  return counts && !reviewed && typeof by === 'string' && Date.parse(by) < now.getTime();
}

/** Granted, and nothing is known of its use: no call, no renewal. */
export const isUnused = (row: EvidenceUsage): boolean => row.calls === 0 && row.renewed === 0;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
