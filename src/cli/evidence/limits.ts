/** What no pack can show, whatever the framework. */
export const LIMITS: readonly string[] = [
  'That nothing happened which is not in the log: the log is complete for what Writ did, and for nothing else.',
  'Who the owner of the database and the signing key is: whoever has both, and no witness beside them, could make another log.',
  'What was written by callers (purposes, parameters, reasons) is as they wrote it; nobody has checked that it is true.',
  'Events behind the checkpoint, and events of months that were archived: those are in their files.',
];
