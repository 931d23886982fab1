import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { ProviderError } from '../../domain/errors.ts';
import type { HealthFinding } from '../provider.ts';
import { finding } from './findings.ts';
import type { Server } from './server.ts';

/**
 * Whether the server asks for a password at all: a login that does not exist is let as far as the look-up of its role
 * (`trust` in pg_hba.conf), or is asked first. Leaves a line in the server's log, so it is done once.
 * @throws ProviderError when the server cannot be reached.
 */
export async function probePassword(server: Server, signal: AbortSignal): Promise<readonly HealthFinding[]> {
  const nobody = {
    user: `writ_nobody_${randomBytes(6).toString('hex')}`,
    password: randomBytes(18).toString('base64url'),
  };
  try {
    await server.runAs({ login: nobody }, signal, () => Promise.resolve());
  } catch (error) {
    if (!(error instanceof ProviderError) || error.code !== 'provider_refused') throw error;
    const { cause } = error;
    const notAsked =
      cause instanceof pg.DatabaseError && cause.code === '28000' && cause.routine === 'InitializeSessionUserId';
    return notAsked ? [finding('password_not_asked')] : [];
  }
  return [finding('password_not_asked')];
}
