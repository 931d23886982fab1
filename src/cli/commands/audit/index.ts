import type { Command } from 'commander';
import type { Shell } from '../../shell.ts';
import { addArchive } from './archive.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addEvidence } from './evidence.ts';
import { addHold } from './hold.ts';
import { addTimeline } from './timeline.ts';

/** What auditors ask of the record. */
export function addAudit(parent: Command, shell: Shell): void {
  const group = parent.command('audit').description('the record: what an auditor asks of it (operators)');
  addTimeline(group, shell);
  addEvidence(group, shell);
  addArchive(group, shell);
  addHold(group, shell);
  addDeadLetters(group, shell);
}
