import type { Command } from 'commander';
import type { Shell } from '../../shell.ts';
import { addTimeline } from './timeline.ts';

/** What auditors ask of the record. */
export function addAudit(parent: Command, shell: Shell): void {
  const group = parent.command('audit').description('the record: what an auditor asks of it (operators)');
  addTimeline(group, shell);
}
