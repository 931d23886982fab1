import type { Command } from 'commander';
import type { Shell } from '../shell.ts';
import { addApprovals } from './approvals.ts';
import { addApply } from './apply.ts';
import { addCheck } from './check.ts';
import { addCredential } from './credential.ts';
import { addDev } from './dev.ts';
import { addExceptions } from './exceptions.ts';
import { addExec } from './exec.ts';
import { addGrants } from './grants.ts';
import { addIdentity } from './identity.ts';
import { addMigrate } from './migrate.ts';
import { addOrder } from './order.ts';
import { addPolicy } from './policy.ts';
import { addRevoke } from './revoke.ts';
import { addServe } from './serve.ts';

/** Every command, in the order of `writ --help`. */
export const commands: readonly ((parent: Command, shell: Shell) => void)[] = [
  addExec,
  addCredential,
  addGrants,
  addRevoke,
  addOrder,
  addApprovals,
  addExceptions,
  addCheck,
  addApply,
  addPolicy,
  addServe,
  addMigrate,
  addDev,
  addIdentity,
];
