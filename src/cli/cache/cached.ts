import { randomUUID } from 'node:crypto';
import { WritError, type Client, type GrantRequest, type IssuedGrant } from '../../client/index.ts';
import { CliError, EXIT } from '../exit.ts';
import { giveBack } from '../giving-back.ts';
import { hasNext, isAging, isUsable, marginMs, msLeft, type Held } from '../lifetime.ts';
import type { Shell } from '../shell.ts';
import { issueAsked } from '../wanted.ts';
import type { Asked, Entry } from './entry.ts';
import type { CacheKey } from './key.ts';
import type { Lock } from './lock.ts';
import type { Store } from './store.ts';

export interface Wanted {
  readonly shell: Shell;
  readonly store: Store;
  readonly client: Client;
  readonly key: CacheKey;
  readonly request: GrantRequest;
  /** Throws where the credential is of no use to whoever asked: then it is given back, and not kept. */
  readonly accept: (grant: IssuedGrant) => void;
}

/** For all that is asked of the broker under the lock, which holds a little longer (`LOCK_MS`). */
const WORK_MS = 25_000;
/** For another process that is at work: it, and one that took over from it. */
const WAIT_MS = 65_000;
const PAUSES_MS = { first: 50, longest: 500 };
/** What a broker may take to end a credential whose answer was lost, before another grant is asked for. */
const REPEAT_MS = 3_000;
/** That there is no next credential of this grant: it has ended, is not the caller's, or may not be renewed. */
const REFUSED: ReadonlySet<number> = new Set([403, 404, 409]);
/** For less than the day that a broker remembers an idempotency key. */
const ASKED_MS = 72_000_000;

/**
 * The credential for a request: the one in the cache until shortly before its end, then the next one of the same grant, and
 * another grant only when that has ended. Any number of processes that want the same make one request of it.
 * @throws CliError `cache_unusable` before anything was asked for; `cache_busy`; WritError.
 */
export async function cachedGrant(wanted: Wanted): Promise<IssuedGrant> {
  const { shell, store, key } = wanted;
  const giveUp = shell.now().getTime() + WAIT_MS;
  let pause = PAUSES_MS.first;
  for (;;) {
    const held = (await store.read(key.key))?.held;
    if (held && !isAging(held, shell.now())) return held.grant;
    const lock = await store.lock(key.key);
    if (lock) return underLock(wanted, lock);
    if (held && isUsable(held, shell.now())) return held.grant;
    if (shell.now().getTime() >= giveUp) {
      const help = 'try again in a moment';
      throw new CliError('cache_busy', 'another process is asking for the same', { exit: EXIT.unavailable, help });
    }
    await shell.sleep(pause);
    pause = Math.min(pause * 1.5, PAUSES_MS.longest);
  }
}

async function underLock(wanted: Wanted, lock: Lock): Promise<IssuedGrant> {
  const { shell, store, key } = wanted;
  try {
    const entry = await store.read(key.key);
    const held = entry?.held;
    if (held && !isAging(held, shell.now())) return held.grant;
    const next = held && (await followUp(wanted, held));
    if (next) return next === held.grant ? next : await keep(wanted, lock, next);
    return await issueAnew(wanted, lock, entry);
  } finally {
    await lock.release();
  }
}

/**
 * The grant's next credential; the one in hand where the broker is away and it still works; `undefined` where the grant has
 * no next one, or the broker says so.
 */
async function followUp({ shell, client }: Wanted, held: Held): Promise<IssuedGrant | undefined> {
  const { grant } = held;
  const grantLeft = Date.parse(grant.expires_at) - shell.now().getTime();
  if (!hasNext(grant) || grantLeft <= marginMs(held)) return undefined;
  const left = msLeft(grant, shell.now());
  const works = left > 1_000;
  // Not so long that what is in hand ends over it.
  const signal = AbortSignal.timeout(works ? Math.min(WORK_MS, Math.ceil(left / 2)) : WORK_MS);
  try {
    return await client.workload.renew(grant.id, { signal });
  } catch (error) {
    if (!(error instanceof WritError)) throw error;
    if (REFUSED.has(error.status)) return undefined;
    if (works) return grant;
    throw error;
  }
}

/** The intent is on disk before the broker is asked: whoever finds it repeats the request, and no second grant is made. */
async function issueAnew(wanted: Wanted, lock: Lock, entry: Entry | undefined): Promise<IssuedGrant> {
  const { shell, store, client, key, accept } = wanted;
  const now = shell.now().getTime();
  const before = entry?.asked && now - entry.asked.at < ASKED_MS ? entry.asked : undefined;
  const grant = await issueUnder(wanted, before);
  try {
    accept(grant);
  } catch (error) {
    await giveBack({ shell, client, grant, reason: 'credential: it did not fit' });
    await store.remove(key.key).catch(() => undefined);
    throw error;
  }
  await keep(wanted, lock, grant);
  await store.sweep().catch(() => undefined);
  return grant;
}

async function issueUnder(wanted: Wanted, before: Asked | undefined): Promise<IssuedGrant> {
  const { shell, store, client, key, request } = wanted;
  const signal = AbortSignal.timeout(WORK_MS);
  const start = shell.now().getTime();
  const asked = before ?? { under: randomUUID(), at: start };
  await store.write({ ...key, asked });
  for (;;) {
    try {
      return await issueAsked(client, request, { idempotencyKey: asked.under, signal });
    } catch (error) {
      if (isUnderWay(error) && before) {
        // The broker is ending what nobody received, which can take as long as that would have lived.
        if (shell.now().getTime() - start >= REPEAT_MS) return issueUnder(wanted, undefined);
        await shell.sleep(PAUSES_MS.longest);
        continue;
      }
      if (isAnswered(error)) await store.remove(key.key).catch(() => undefined);
      throw error;
    }
  }
}

function isUnderWay(error: unknown): boolean {
  return error instanceof WritError && error.code === 'request_in_progress';
}

/** Whether it is known that nothing was handed out, so that there is nothing to repeat. */
function isAnswered(error: unknown): boolean {
  return error instanceof CliError || (error instanceof WritError && error.status >= 400 && error.status < 500);
}

/** A cache that fails is no reason to withhold a credential: it is said, and asked for anew the next time. */
async function keep({ shell, store, key }: Wanted, lock: Lock, grant: IssuedGrant): Promise<IssuedGrant> {
  try {
    if (!(await lock.isMine())) return grant;
    if (mayBeKept(grant)) await store.write({ ...key, held: { grant, since: shell.now().getTime() } });
    else await store.remove(key.key);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    await shell.out.note(`writ: ${error.code}: ${error.message}`);
  }
  return grant;
}

/** What works only once is nobody's a second time. */
function mayBeKept({ credential }: IssuedGrant): boolean {
  return !(credential.type === 'vault_token' && credential.token === undefined);
}
