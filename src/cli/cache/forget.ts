import type { Client } from '../../client/index.ts';
import { giveBack } from '../giving-back.ts';
import type { Shell } from '../shell.ts';
import { repeatable } from './asking.ts';
import type { Entry } from './entry.ts';
import { identityOf } from './key.ts';
import { makePatience } from './patience.ts';
import { guarded, type Store } from './store.ts';

export interface Forgetting {
  readonly shell: Shell;
  readonly store: Store;
  readonly client: Client;
  readonly url: string;
  readonly token: string;
  /** Without: of all profiles. */
  readonly profile?: string | undefined;
}

/**
 * Clears what the cache has of this broker and this identity, and gives the grants back, those that wait for an approval too.
 * The secret goes first: what cannot be given back is said, with its grant and its end. A request whose answer was lost is said too, and
 * kept: what may have come of it is reached by repeating it alone. So is what another process is at work on.
 * @returns whether all was given back, and nothing is left.
 */
export async function forget({ shell, store, client, url, token, profile }: Forgetting): Promise<boolean> {
  const identity = identityOf(token);
  const found = (await store.entries()).filter(
    (entry) => entry.url === url && entry.identity === identity && (profile ?? entry.profile) === entry.profile,
  );
  let all = true;
  for (const { key, profile: of } of found) {
    const taken = await takeOut(shell, store, key);
    const left = taken === 'busy' ? 'another process is at work on it' : taken?.asked && UNANSWERED;
    if (left !== undefined) await shell.out.note(`writ: a request for ${of} is not forgotten: ${left}`);
    all &&= left === undefined;
    if (taken === 'busy' || !taken) continue;
    const { held, waits } = taken;
    const waiting = waits && { id: waits.id, expires_at: waits.approval.expires_at };
    for (const grant of [held?.grant, waiting]) {
      if (!grant) continue;
      const given = await giveBack({ shell, client, grant, reason: 'credential: forgotten' });
      if (given) await shell.out.note(`writ: grant ${grant.id} of ${of} given back`);
      all &&= given;
    }
  }
  await store.sweep();
  return all;
}

const UNANSWERED = 'its answer was lost; ask for the same again, then forget it';

type Taken = { readonly [Part in 'held' | 'waits' | 'asked']: Entry[Part] | undefined };

/** What the cache has under a key, which is not there any more but for a request whose answer is not known (`asked`). */
async function takeOut(shell: Shell, store: Store, key: string): Promise<Taken | 'busy' | undefined> {
  const patience = makePatience(shell);
  let lock = await store.lock(key);
  while (!lock && (await patience())) lock = await store.lock(key);
  if (!lock) return 'busy';
  const mine = guarded(store, lock);
  try {
    const entry = await store.read(key);
    if (!entry) return undefined;
    const { url, identity, profile, held, waits } = entry;
    const asked = repeatable(entry, shell.now());
    await (asked ? mine.write({ key, url, identity, profile, asked }) : mine.remove(key));
    return { held, waits, asked };
  } finally {
    await lock.release();
  }
}
