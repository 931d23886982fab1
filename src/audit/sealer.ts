import { leafHash } from './merkle.ts';
import { makeProver, same } from './proofs.ts';
import { LogDamaged } from './store.ts';
import type { LogHead, LogStore, UnsealedEvent } from './store.ts';
import { growFrom } from './tree.ts';

/** A batch: so many events, and so much text, are held in memory and hashed in one go, and marked in one transaction. */
const MAX_EVENTS = 4_000;
const MAX_BYTES = 16 * 1024 * 1024;

export interface SealStep {
  /** How many events were sealed by this step. */
  readonly sealed: number;
  /** There may be more to do at once. */
  readonly more: boolean;
  /** Another sealer came first. */
  readonly raced: boolean;
  /** Events among them that are older than what was sealed before: nothing of the broker's own makes such. */
  readonly late: number;
  /** As it is now, as far as this process knows. */
  readonly head: LogHead;
}

/**
 * Seals what has been committed, a batch a step. Any number may run at once and be killed at any point: a batch is one
 * transaction, which compares and sets the head.
 */
export function makeSealer(store: LogStore) {
  const prover = makeProver(store.hashes);
  /** The hashes to go on from, of a size; read anew where another replica has moved the head. */
  let known: { readonly size: number; readonly frontier: readonly Uint8Array[] } | undefined;

  async function frontierOf({ size, root }: LogHead): Promise<readonly Uint8Array[]> {
    const frontier = known?.size === size ? known.frontier : await prover.frontier(size);
    known = undefined; // noticed once: what is repaired is read anew
    throwUnless(growFrom(size, frontier).root(), { size, root });
    return frontier;
  }

  /** @param everything - look also before where the log has come to: for what a restore left, and what nobody should have made. */
  return async function seal(everything: boolean, limit = MAX_EVENTS): Promise<SealStep> {
    const head = await store.head();
    const events = await store.unsealed(everything ? '0' : head.tx, { events: limit, bytes: MAX_BYTES });
    const nothing = { sealed: 0, more: false, raced: false, late: 0, head };
    if (events.length === 0) return nothing;
    const hashes: Uint8Array[] = [];
    const tree = growFrom(head.size, await frontierOf(head), (hash) => hashes.push(hash));
    for (const { body } of events) tree.append(leafHash(body));
    const batch = { size: head.size, events, hashes: Buffer.concat(hashes), root: tree.root() };
    if (!(await store.seal(batch))) return { ...nothing, more: true, raced: true };
    known = { size: tree.size(), frontier: tree.frontier() };
    const last = events.at(-1);
    const place = last?.tx ? { tx: last.tx, seq: last.seq } : {};
    return {
      sealed: events.length,
      more: events.length >= limit || last?.tx === null,
      raced: false,
      late: events.filter((event) => isBefore(event, head)).length,
      head: { ...head, size: tree.size(), root: batch.root, ...place },
    };
  };
}
export type Seal = ReturnType<typeof makeSealer>;

/** @throws LogDamaged where the stored hashes do not lead to the head. */
export async function checkHead(store: LogStore): Promise<void> {
  const { size, root } = await store.head();
  throwUnless(growFrom(size, await makeProver(store.hashes).frontier(size)).root(), { size, root });
}

function throwUnless(found: Uint8Array, { size, root }: Pick<LogHead, 'size' | 'root'>): void {
  if (!same(found, root))
    throw new LogDamaged('hashes_damaged', `the stored hashes do not lead to the root of ${size} events`);
}

function isBefore({ tx, seq }: UnsealedEvent, head: LogHead): boolean {
  if (tx === null || head.tx === '0') return false;
  return BigInt(tx) < BigInt(head.tx) || (tx === head.tx && BigInt(seq) <= BigInt(head.seq));
}
