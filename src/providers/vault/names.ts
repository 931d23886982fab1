import { ProviderError } from '../../domain/errors.ts';
import { parseId, type MintId } from '../../domain/ids.ts';
import { NamesAnswer, parse } from './answers.ts';
import type { Vault } from './context.ts';
import { at, NAME_PREFIX } from './values.ts';

/**
 * Mints whose entities are there, by name, alive or disabled. Vault has no list of one's own: it names every entity of the
 * namespace, and those of another Writ in it look the same. Tokens without an entity are in no list but that of all
 * accessors, which is not read. Who may not list sees none, and a list may be longer than any answer that is read: the check says so.
 */
export async function listMints({ ask }: Vault, signal: AbortSignal): Promise<readonly MintId[] | 'too_long'> {
  const step = 'entity_list';
  const call = { step, method: 'GET', path: at`identity/entity/name`, list: true, accept: [403, 404] } as const;
  const reply = await ask(call, signal).catch((error: unknown) => {
    if (error instanceof ProviderError && error.facts['finding'] === 'answer_too_large') return undefined;
    throw error;
  });
  if (!reply) return 'too_long';
  if (reply.status !== 200) return [];
  const { keys } = parse(NamesAnswer, reply, step).data;
  return keys.flatMap((name) =>
    name.startsWith(NAME_PREFIX) ? (parseId('mint', name.slice(NAME_PREFIX.length)) ?? []) : [],
  );
}
