import { randomUUID } from 'node:crypto';
import { WritError, type IssuedGrant } from '../../client/index.ts';
import { deadline } from '../../domain/deadline.ts';
import { hasNext, marginMs, msLeft, type Held } from '../lifetime.ts';
import { approvalPending, claimKey } from '../wanted.ts';
import type { Wanted } from './cached.ts';
import type { Asked, Waits } from './entry.ts';

/** That there is no next credential of this grant: it has ended, is not the caller's, or may not be renewed. */
const REFUSED: ReadonlySet<number> = new Set([403, 404, 409]);
/** What a broker may take to end a credential whose answer was lost, before another grant is asked for. */
const REPEAT_MS = 3_000;
const PAUSE_MS = 500;
/** For less than the day that a broker remembers an idempotency key. */
const ASKED_MS = 72_000_000;

/**
 * The grant's next credential; the one in hand where the broker is away and it still works; `undefined` where the grant has
 * no next one, or the broker says so.
 */
export async function followUp(
  { shell, client }: Wanted,
  { grant, since }: Held,
  until: AbortSignal,
): Promise<IssuedGrant | undefined> {
  const grantLeft = Date.parse(grant.expires_at) - shell.now().getTime();
  if (!hasNext(grant) || grantLeft <= marginMs({ grant, since })) return undefined;
  const left = msLeft(grant, shell.now());
  const works = left > 1_000;
  // Not so long that what is in hand ends over it.
  const bounded = works ? deadline(Math.ceil(left / 2), until) : undefined;
  try {
    return await client.workload.renew(grant.id, { signal: bounded?.signal ?? until });
  } catch (error) {
    if (!(error instanceof WritError)) throw error;
    if (REFUSED.has(error.status)) return undefined;
    if (works) return grant;
    throw error;
  } finally {
    bounded?.clear();
  }
}

/**
 * What a person has approved; `undefined` where that has come to nothing.
 * @throws CliError `approval_pending`; WritError also where it was denied, so that nobody is asked again at once.
 */
export async function claimed(
  { store, client, key }: Wanted,
  waits: Waits,
  signal: AbortSignal,
): Promise<IssuedGrant | undefined> {
  try {
    return await client.workload.claim(waits.id, { idempotencyKey: claimKey(waits.id), signal });
  } catch (error) {
    if (!(error instanceof WritError)) throw error;
    if (error.code === 'approval_pending') throw approvalPending(waits);
    if (error.status === 403) await store.remove(key.key).catch(() => undefined);
    else if (REFUSED.has(error.status)) return undefined;
    throw error;
  }
}

/**
 * Another grant. The intent is on disk before the broker is asked: whoever finds it (`before`) repeats that request, and no
 * second grant is made.
 */
export async function issueAnew(wanted: Wanted, before: Asked | undefined, signal: AbortSignal): Promise<IssuedGrant> {
  const { shell, store, client, key, request } = wanted;
  const start = shell.now().getTime();
  const again = before && start - before.at < ASKED_MS;
  const asked = again ? before : { under: randomUUID(), at: start };
  await store.write({ ...key, asked });
  for (;;) {
    try {
      const answer = await client.workload.issue(request, { idempotencyKey: asked.under, signal });
      if (answer.state === 'active') return answer;
      const { id, approval } = answer;
      await store.write({ ...key, waits: { id, approval } });
      throw approvalPending(answer);
    } catch (error) {
      if (!(error instanceof WritError)) throw error;
      if (error.code === 'request_in_progress' && again) {
        // The broker is ending what nobody received, which can take as long as that would have lived.
        if (shell.now().getTime() - start >= REPEAT_MS) return issueAnew(wanted, undefined, signal);
        await shell.sleep(PAUSE_MS);
        continue;
      }
      // Nothing was handed out, that is known: there is nothing to repeat.
      if (error.status >= 400 && error.status < 500) await store.remove(key.key).catch(() => undefined);
      throw error;
    }
  }
}
