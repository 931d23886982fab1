import { isCheckpointOf, readCheckpoint } from './checkpoint.ts';
import { judge } from './checkpointer.ts';
import type { NoteKey } from './note.ts';
import { LogDamaged } from './store.ts';
import type { LogFault, LogStore } from './store.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import type { Witness } from './witness.ts';

/** A witness keeps what this log does not say. */
export class WitnessDisagrees extends Error {
  readonly code: LogFault | 'another_log';
  readonly witness: string;
  constructor(witness: string, code: LogFault | 'another_log', message: string) {
    super(message);
    this.name = 'WitnessDisagrees';
    this.witness = witness;
    this.code = code;
  }
}

export interface WitnessState {
  readonly name: string;
  /** The size of the last checkpoint that it is known to keep; 0: none. */
  readonly size: number;
  /** What came of the last attempt, where it did not succeed: `unreachable`, or what it disagrees in. */
  readonly problem?: string;
  readonly failures: number;
}

/**
 * Hands the newest checkpoint to every witness. Before each the one that it keeps is held against the log, so that a ledger
 * that was restored, or another one, is noticed by whoever publishes next.
 */
export function makePublisher(
  store: LogStore,
  log: { readonly origin: string; readonly key: () => Promise<NoteKey> },
  witnesses: readonly Witness[],
  /** Told what a witness keeps when it is first asked, where that agrees: what the log has to go on from. */
  remember: (agreed: SignedCheckpoint) => void = () => undefined,
) {
  /** What these keep is not known yet. */
  const unasked = new Set(witnesses);
  const states = new Map<string, WitnessState>(witnesses.map(({ name }) => [name, { name, size: 0, failures: 0 }]));

  /** What it keeps comes first, and the head that is held against it is no older. */
  async function lastOf(witness: Witness): Promise<SignedCheckpoint | undefined> {
    const kept = await witness.last();
    if (!kept) return undefined;
    if (kept.origin !== log.origin) {
      throw new WitnessDisagrees(witness.name, 'another_log', `it keeps a checkpoint of ${kept.origin}`);
    }
    const fault = await judge(store, await store.head(), kept);
    if (fault) throw new WitnessDisagrees(witness.name, fault.code, fault.message);
    return kept;
  }

  /** Notes what comes of it. Failures are told, and thrown only where the witness disagrees. */
  async function attempt(witness: Witness, work: () => Promise<number>, onFailure: OnFailure): Promise<void> {
    const before = states.get(witness.name) ?? { name: witness.name, size: 0, failures: 0 };
    try {
      states.set(witness.name, { name: witness.name, size: await work(), failures: before.failures });
    } catch (error) {
      const problem = error instanceof WitnessDisagrees || error instanceof LogDamaged ? error.code : 'unreachable';
      states.set(witness.name, { ...before, problem, failures: before.failures + 1 });
      onFailure(witness.name, error);
    }
  }

  /** Holds what every witness keeps against the log, once each. A failure is told, and it is asked again the next time. */
  async function check(onFailure: OnFailure): Promise<void> {
    const look = async (witness: Witness) => {
      const kept = await lastOf(witness);
      if (kept) remember(kept);
      unasked.delete(witness);
      return kept?.size ?? 0;
    };
    await Promise.all([...unasked].map((witness) => attempt(witness, () => look(witness), onFailure)));
  }

  return {
    states: () => [...states.values()],
    /** Witnesses that were never in agreement with the log since this began: as long as there are, nothing may be signed. */
    unasked: () => [...unasked].map(({ name }) => name),
    check,

    /** The newest checkpoint to every witness that does not have it yet. */
    async publish(onFailure: OnFailure): Promise<void> {
      await check(onFailure);
      const newest = await store.newestCheckpoint();
      const checkpoint = newest && readCheckpoint(newest.note);
      // what somebody else put into the ledger is not handed on as ours
      if (!checkpoint || !isCheckpointOf(checkpoint, log.origin, [await log.key()])) return;
      const hand = async (witness: Witness) => {
        const kept = await lastOf(witness);
        if (kept && kept.size >= checkpoint.size) return kept.size;
        await witness.publish(checkpoint.note);
        return checkpoint.size;
      };
      const behind = witnesses.filter((each) => !unasked.has(each) && needs(states.get(each.name), checkpoint.size));
      await Promise.all(behind.map((witness) => attempt(witness, () => hand(witness), onFailure)));
    },
  };
}
export type Publisher = ReturnType<typeof makePublisher>;
export type OnFailure = (witness: string, error: unknown) => void;

function needs(state: WitnessState | undefined, size: number): boolean {
  return state === undefined || state.size < size || state.problem !== undefined;
}
