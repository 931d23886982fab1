import type { DecisionRecord } from '../client/index.ts';
import type { Redecided, Replayed } from './local.ts';

export type ReplayCounts = Record<Replayed['kind'], number>;

/** A decision that comes out otherwise: when, whose, on what, and what of it differs. */
export function replayLine(recorded: DecisionRecord, now: Redecided): string {
  const { id, at, action, resource, subject } = recorded;
  return `${id} ${at} ${action} ${resource} ${subject}: ${answerOf(recorded)} -> ${answerOf(now)}`;
}

function answerOf({ outcome, code, policies }: Redecided): string {
  const why = [...(code === null ? [] : [code]), ...policies];
  return why.length === 0 ? outcome : `${outcome} (${why.join(', ')})`;
}

export function summaryLine({ same, differs, not_asked }: ReplayCounts): string {
  const all = same + differs + not_asked;
  return `${all} decisions: ${same} the same, ${differs} differ, ${not_asked} that the policies were not asked for`;
}
