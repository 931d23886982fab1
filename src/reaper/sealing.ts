import { setTimeout as sleep } from 'node:timers/promises';
import type { Checkpointer } from '../audit/checkpointer.ts';
import { WitnessDisagrees } from '../audit/publisher.ts';
import type { Publisher } from '../audit/publisher.ts';
import type { Seal, SealStep } from '../audit/sealer.ts';
import { LogDamaged } from '../audit/store.ts';
import type { LogHead } from '../audit/store.ts';
import type { Log } from '../exchange/context.ts';
import { startLoop } from './loop.ts';

const LARGEST_BATCH = 4_000;
const SMALLEST_BATCH = 250;
/** How often everything is looked at, also what is before the place that the log has come to. */
const EVERYTHING_MS = 600_000;
const LOOK_MS = 1_000;
/** A process that goes does not wait longer for its witnesses. */
const LAST_PUBLISH_MS = 3_000;
/** A transaction that holds sealing up for so long is named in the log. */
const TELL_AFTER_SECONDS = 10;

export interface SealingParts {
  readonly seal: Seal;
  /** Absent: there is no key, and nothing is signed. */
  readonly checkpointer?: Checkpointer;
  readonly publisher: Publisher;
  /** Rejects with LogDamaged as long as the log is not whole, or does not go on from what was signed. */
  readonly checkWhole: () => Promise<void>;
  readonly oldestTransaction: () => Promise<OldestTransaction | undefined>;
  readonly sealEveryMs: number;
  readonly publishEveryMs: number;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface OldestTransaction {
  readonly tx: string;
  /** Where it can be found, as far as the ledger's login may see it. */
  readonly pid: number | null;
  readonly database: string | null;
}

export interface SealingStatus {
  readonly head: LogHead | undefined;
  /** Why nothing is sealed or signed any more. */
  readonly problem: string | undefined;
  /** For how long one transaction of the server has held sealing up, as seen from here; 0: none does. */
  readonly heldUpSeconds: number;
}

/**
 * Seals what is committed, signs the log's head, and hands it to the witnesses. Every replica does all of it, with no leader: who
 * comes second steps back for a while, so that one does the work as long as it lives.
 */
export function startSealing(parts: SealingParts) {
  const { seal, checkpointer, publisher, sealEveryMs, nowMs, log } = parts;
  let head: LogHead | undefined;
  let problem: string | undefined;
  let limit = LARGEST_BATCH;
  let everythingAt = 0;
  let quietUntil = 0;
  let oldest: (OldestTransaction & { since: number; told: boolean }) | undefined;

  function failed(what: string) {
    return (error: unknown) => {
      const code = (error as { code?: unknown }).code;
      if (error instanceof LogDamaged) {
        if (problem !== error.code)
          log.error({ alarm: 'log_damaged', code, detail: error.message }, `${what} has stopped`);
        problem = error.code;
      } else log.warn({ code }, `${what} failed`);
    };
  }

  function onWitnessFailure(witness: string, error: unknown): void {
    const code = (error as { code?: unknown }).code;
    if (error instanceof WitnessDisagrees || error instanceof LogDamaged) {
      log.error(
        { alarm: 'witness_disagrees', witness, code, detail: error.message },
        'a witness disagrees with the ledger',
      );
    } else log.warn({ witness, code }, 'a witness could not be given the checkpoint');
  }

  async function step(): Promise<SealStep> {
    const everything = nowMs() >= everythingAt;
    try {
      const done = await seal(everything, limit);
      limit = Math.min(LARGEST_BATCH, limit * 2);
      if (everything) everythingAt = nowMs() + EVERYTHING_MS;
      return done;
    } catch (error) {
      // too much for one statement's time, perhaps; and what is far back is not looked for again at once
      limit = Math.max(SMALLEST_BATCH, Math.floor(limit / 2));
      if (everything) everythingAt = nowMs() + EVERYTHING_MS;
      throw error;
    }
  }

  async function round(): Promise<boolean> {
    if (nowMs() < quietUntil) return false;
    if (problem !== undefined) {
      await parts.checkWhole();
      log.info({}, 'the log is whole again');
      problem = undefined;
    }
    const done = await step();
    const { sealed, late, raced } = done;
    if (late > 0) log.error({ alarm: 'late_events', count: late }, 'events older than what was sealed have appeared');
    const othersMoved = head !== undefined && done.head.size - sealed > head.size;
    if (raced || othersMoved) quietUntil = nowMs() + sealEveryMs * 0.7;
    head = done.head;
    if (raced) return false;
    await sign(done);
    return done.more;
  }

  /**
   * Whoever has sealed signs; what somebody left unsigned is signed after a while. Nothing is, before every witness has said what it
   * keeps: on a ledger that was restored, what is signed meanwhile would be another history under the same key.
   */
  async function sign({ sealed, head: { size, root, checkpointSize, sealedAt } }: SealStep): Promise<void> {
    if (publisher.unasked().length > 0) return;
    const left = checkpointSize < size && nowMs() - (sealedAt?.getTime() ?? 0) > 2 * sealEveryMs;
    if (checkpointer && size > 0 && (sealed > 0 || left)) await checkpointer.sign({ size, root });
  }

  async function look(): Promise<boolean> {
    const found = await parts.oldestTransaction();
    const since = found && oldest?.tx === found.tx ? oldest.since : nowMs();
    const told = found !== undefined && oldest?.tx === found.tx && oldest.told;
    oldest = found && { ...found, since, told };
    if (oldest && !told && nowMs() - since > TELL_AFTER_SECONDS * 1000) {
      oldest.told = true;
      const { pid, database } = oldest;
      log.warn({ pid, database }, 'a transaction that is left open holds the sealing of events up');
    }
    return false;
  }

  const loops = [
    startLoop(sealEveryMs / 2, round, failed('sealing')),
    startLoop(LOOK_MS, look, failed('looking for old transactions')),
    startLoop(
      parts.publishEveryMs,
      async () => {
        await publisher.publish(onWitnessFailure);
        return false;
      },
      failed('publishing checkpoints'),
    ),
  ];
  return {
    status: (): SealingStatus => ({
      head,
      problem,
      heldUpSeconds: oldest ? (nowMs() - oldest.since) / 1000 : 0,
    }),
    /** What this process has made is sealed, signed and handed on before it goes, where that can be done. */
    async stop(): Promise<void> {
      await Promise.all(loops.map((loop) => loop.stop()));
      quietUntil = 0;
      await round().catch(failed('sealing'));
      const published = publisher.publish(onWitnessFailure).catch(failed('publishing checkpoints'));
      await Promise.race([published, sleep(LAST_PUBLISH_MS, undefined, { ref: false })]);
    },
  };
}
export type Sealing = ReturnType<typeof startSealing>;
