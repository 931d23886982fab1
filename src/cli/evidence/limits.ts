import type { EvidencePack } from '../../client/index.ts';

/** What no pack can show, whatever the framework. */
export const LIMITS: readonly string[] = [
  'That nothing happened which is not in the log: the log is complete for what Writ did, and for nothing else.',
  'Who the owner of the database and the signing key is: whoever has both, and no witness beside them, could make another log.',
  'What was written by callers (purposes, parameters, reasons) is as they wrote it; nobody has checked that it is true.',
  'Rules, profiles, what was granted and used, and exceptions: they are read from tables, as they stood when this was made. The checkpoint proves the counts of events and policies, and the samples; `writ audit verify` holds the tables against the log.',
  'Events behind the checkpoint, and events of months that were archived: those are in their files.',
];

/** What this pack leaves out, for it would be too much: each in a line. */
export function cutsOf(pack: EvidencePack): string[] {
  return [
    ...(pack.generations_cut
      ? [`There were more sets of rules in this span: these are the last ${pack.generations.length}.`]
      : []),
    ...(pack.exceptions_cut
      ? [`There were more exceptions in this span: these are the newest ${pack.exceptions.length}.`]
      : []),
    ...(pack.samples_cut
      ? [`There are more kinds of events and policies than samples: ${pack.samples.length} are shown.`]
      : []),
    ...(pack.usage_cut
      ? [`There are more workloads with profiles: these ${pack.usage.length} hold the most that is not used.`]
      : []),
  ];
}
