import type { Client } from '../../client/index.ts';
import { giveBack } from '../giving-back.ts';
import type { Shell } from '../shell.ts';
import { identityOf } from './key.ts';
import type { Store } from './store.ts';

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
 * The secret goes first: what cannot be given back is said, with its grant and its end.
 * @returns whether all was given back.
 */
export async function forget({ shell, store, client, url, token, profile }: Forgetting): Promise<boolean> {
  const identity = identityOf(token);
  const found = (await store.entries()).filter(
    (entry) => entry.url === url && entry.identity === identity && (profile ?? entry.profile) === entry.profile,
  );
  let all = true;
  for (const { key, profile: of, held, waits } of found) {
    await store.remove(key);
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
