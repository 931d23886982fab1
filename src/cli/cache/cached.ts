import type { Client, GrantRequest, IssuedGrant } from '../../client/index.ts';
import { giveBack } from '../giving-back.ts';
import { isAging, isUsable } from '../lifetime.ts';
import type { Shell } from '../shell.ts';
import { another, followUp, forgetAllBut, noteUnkept, type Before } from './asking.ts';
import type { CacheKey } from './key.ts';
import { busy } from './lock.ts';
import { makePatience } from './patience.ts';
import { guarded, type Store } from './store.ts';

export interface Wanted {
  readonly shell: Shell;
  readonly store: Store;
  readonly client: Client;
  readonly key: CacheKey;
  readonly request: GrantRequest;
  /** Throws where the credential is of no use to whoever asked: then it is given back, and not kept. */
  readonly accept: (grant: IssuedGrant) => void;
}

/** For what is asked of the broker under the lock, which holds longer (`LOCK_MS`): what does not fit is given back as well. */
const WORK_MS = 25_000;

/**
 * The credential for a request: the one in the cache until shortly before its end, then the next one of the same grant, and
 * another grant only when that has ended. Any number of processes that want the same make one request of it.
 * @throws CliError `cache_unusable` before anything was asked for; `cache_busy`; `approval_pending`; WritError.
 */
export async function cachedGrant(wanted: Wanted): Promise<IssuedGrant> {
  const { shell, store, key } = wanted;
  const patience = makePatience(shell);
  for (;;) {
    const held = (await store.read(key.key))?.held;
    if (held && !isAging(held, shell.now())) return held.grant;
    const lock = await store.lock(key.key);
    if (lock) return underLock({ ...wanted, store: guarded(store, lock) }).finally(() => lock.release());
    if (held && isUsable(held, shell.now())) return held.grant;
    if (!(await patience())) throw busy();
  }
}

async function underLock(wanted: Wanted): Promise<IssuedGrant> {
  const { shell, store, key } = wanted;
  const signal = AbortSignal.timeout(WORK_MS);
  const entry = await store.read(key.key);
  const { held, ...rest } = entry ?? {};
  if (held && !isAging(held, shell.now())) return held.grant;
  const next = held ? await followUp(wanted, held, signal) : 'over';
  if (typeof next === 'object') return next === held?.grant ? next : await keep(wanted, next);
  const before = next === 'over' ? rest : { ...entry };
  const grant = await another(wanted, before, signal);
  if (grant === held?.grant) return grant;
  await fits(wanted, grant, before);
  await keep(wanted, grant);
  await store.sweep().catch(() => undefined);
  return grant;
}

async function fits(wanted: Wanted, grant: IssuedGrant, { held }: Before): Promise<void> {
  const { shell, client, accept } = wanted;
  try {
    accept(grant);
  } catch (error) {
    await giveBack({ shell, client, grant, reason: 'credential: it did not fit' });
    await forgetAllBut(wanted, held);
    throw error;
  }
}

/** A cache that fails is no reason to withhold a credential: it is said, and asked for anew the next time. */
async function keep(wanted: Wanted, grant: IssuedGrant): Promise<IssuedGrant> {
  const { shell, store, key } = wanted;
  try {
    if (mayBeKept(grant)) await store.write({ ...key, held: { grant, since: shell.now().getTime() } });
    else await store.remove(key.key);
  } catch (error) {
    await noteUnkept(wanted, error);
  }
  return grant;
}

/** What works only once is nobody's a second time. */
function mayBeKept({ credential }: IssuedGrant): boolean {
  return !(credential.type === 'vault_token' && credential.token === undefined);
}
