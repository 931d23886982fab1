import { checkpointText, readCheckpoint } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { formatNote, formatNoteKey } from './note.ts';
import type { NoteKey } from './note.ts';
import { isExtension, makeProver, same } from './proofs.ts';
import { LogDamaged } from './store.ts';
import type { LogHead, LogStore } from './store.ts';

/** Who signs checkpoints: a key of the ring, or one that does not lie beside the data. */
export interface CheckpointSigner {
  readonly key: () => Promise<NoteKey>;
  /** Ed25519. */
  readonly sign: (text: Uint8Array) => Promise<Uint8Array>;
}

/** Sizes and roots that were stated once: what the log must go on from. */
type Stated = Pick<Checkpoint, 'size' | 'root'>;

/** Whether the log still says what was stated once. */
export async function judge(store: LogStore, head: Stated, stated: Stated): Promise<LogDamaged | undefined> {
  if (stated.size > head.size) {
    const message = `${stated.size} events were signed, and the log has ${head.size}`;
    return new LogDamaged('shorter_than_signed', message);
  }
  const prover = makeProver(store.hashes);
  const goesOn =
    stated.size === head.size
      ? same(stated.root, head.root)
      : isExtension(stated, head, await prover.consistency(stated.size, head.size));
  const message = `what was signed of the first ${stated.size} events is not what the log has of them`;
  return goesOn ? undefined : new LogDamaged('differs_from_signed', message);
}

/**
 * Signs the head, once it is committed. Nothing is signed that does not go on from what this process, or the ledger's newest
 * checkpoint, has stated before: from then on the database alone cannot have another history signed.
 */
export function makeCheckpointer(store: LogStore, signer: CheckpointSigner, origin: string) {
  let last: Stated | undefined;
  let isRead = false;

  const remember = (stated: Stated): void => {
    if (!last || stated.size > last.size) last = stated;
  };

  /** The most that was stated: by the ledger as it was found, here, or elsewhere, where less may be known. */
  async function lastStated(): Promise<Stated | undefined> {
    if (!isRead) {
      const newest = await store.newestCheckpoint();
      if (newest) remember(newest);
      isRead = true;
    }
    return last;
  }

  /** Whether the log as it is now goes on from what was stated. @throws LogDamaged. */
  async function check(): Promise<void> {
    const stated = await lastStated();
    const fault = stated && (await judge(store, await store.head(), stated));
    if (fault) throw fault;
  }

  return {
    /** Something that was stated elsewhere, and was seen to agree: the log must go on from it. */
    remember,

    check,

    /** Signs nothing where more than that was stated meanwhile. @throws LogDamaged; Fault `keys_unavailable`. */
    async sign(head: Pick<LogHead, 'size' | 'root'>): Promise<void> {
      const stated = await lastStated();
      if (stated && stated.size > head.size) return check();
      const fault = stated && (await judge(store, head, stated));
      if (fault) throw fault;
      const text = checkpointText({ origin, size: head.size, root: head.root });
      const key = await signer.key();
      const note = formatNote(text, key, await signer.sign(Buffer.from(text)));
      if (!readCheckpoint(note)) throw new Error('the checkpoint cannot be read back');
      await store.keepCheckpoint({ size: head.size, root: head.root, origin, key: formatNoteKey(key), note });
      remember({ size: head.size, root: head.root });
    },
  };
}
export type Checkpointer = ReturnType<typeof makeCheckpointer>;
