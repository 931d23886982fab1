import { WritError, type AwaitedApproval, type Client, type PendingGrant } from '../client/index.ts';
import { CliError, EXIT } from './exit.ts';
import type { Shell } from './shell.ts';

/** How long the broker is asked to hold each answer back; less than any proxy on the way waits. */
const HOLD_SECONDS = 25;
const PAUSE_MS = 2_000;

/**
 * Waits until a person has answered, and says on stderr that it does. A broker that is away for a moment is waited out, up to the
 * approval's end. @throws CliError `approval_denied`, `approval_lapsed`; WritError.
 */
export async function awaitApproval(
  shell: Shell,
  client: Client,
  { id, approval }: Pick<PendingGrant, 'id' | 'approval'>,
  signal?: AbortSignal,
): Promise<void> {
  await shell.out.note(`writ: grant ${id} waits for an approval until ${approval.expires_at}: ${approval.url}`);
  for (;;) {
    const seen = await look(shell, client, id, signal);
    if (seen?.state === 'approved' || seen?.state === 'consumed') return;
    if (seen && seen.state !== 'pending') throw ended(seen);
    if (shell.now().getTime() >= Date.parse(approval.expires_at)) throw ended({ state: 'lapsed', answers: [] });
  }
}

async function look(
  shell: Shell,
  client: Client,
  grant: string,
  signal: AbortSignal | undefined,
): Promise<AwaitedApproval | undefined> {
  try {
    return await client.workload.awaitApproval(grant, { waitSeconds: HOLD_SECONDS, ...(signal && { signal }) });
  } catch (error) {
    const passing =
      error instanceof WritError && (error.code === 'unreachable' || error.status === 429 || error.status >= 500);
    if (!passing || signal?.aborted) throw error;
    await shell.sleep(PAUSE_MS);
    return undefined;
  }
}

function ended({ state, answers }: Pick<AwaitedApproval, 'state' | 'answers'>): CliError {
  const denied = answers.find(({ answer }) => answer === 'deny');
  if (state === 'denied') {
    const why = denied ? `: ${denied.reason}` : '';
    return new CliError('approval_denied', `the request was denied${why}`, { exit: EXIT.failed });
  }
  return new CliError('approval_lapsed', 'nobody approved the request in time', { exit: EXIT.failed });
}
