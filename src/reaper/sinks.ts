import type { DeliverToSink, WebhookSink } from '../audit/sinks/deliver.ts';
import type { Log } from '../exchange/context.ts';
import type { Replayable, SinkEvent, Sinks } from '../ledger/index.ts';
import { startLoop } from './loop.ts';

const POLL_MS = 500;
const BATCH = 500;
/** Longer than the two deliveries and the statements between one claim and its end take. */
const LEASE_SECONDS = 60;
const LONGEST_PAUSE_SECONDS = 300;
/** A single event that is refused so often in a row is a dead letter. */
const REFUSED_AFTER = 3;

export interface SinkParts {
  readonly sinks: readonly WebhookSink[];
  readonly store: Sinks;
  readonly deliver: DeliverToSink;
  /** Names this process in claims. */
  readonly owner: string;
  readonly log: Log;
}

type Dead = Parameters<Sinks['settle']>[0]['dead'];

/**
 * Hands sealed events on, each sink by itself and in the order of the log. Nothing waits for it. At least once: the cursor moves
 * after the receiver has answered. What a receiver refuses as it is becomes a dead letter, and so does whatever comes later of
 * the same task, until a person has them tried again: then each comes before events, and one that is not answered waits by itself.
 */
export function startSinks({ sinks, store, deliver, owner, log }: SinkParts) {
  const loops = sinks.map((sink) => {
    /** A refused batch is halved until one event is left. */
    let size = BATCH;
    /** How often in a row the event of this leaf was refused, by itself, as seen from here. */
    let refusals = { leaf: -1, count: 0 };

    async function round(): Promise<boolean> {
      const claim = await store.claim({ sink: sink.name, owner, from: sink.from, lease_seconds: LEASE_SECONDS });
      if (!claim) return false;
      const { position: from, attempts } = claim;
      const settle = (to: number, dead: Dead, error: string | null, delay: number) =>
        store.settle({ sink: sink.name, owner, from, to, dead, error, delay_seconds: delay });

      const letter = await store.replayable(sink.name);
      if (letter && (await tryAgain(letter))) {
        await settle(from, [], null, 0);
        return true;
      }
      const { events, end, size: logSize } = await store.next(sink.name, from, size);
      const sent = events.filter(({ held }) => !held);
      const behind = events.filter(({ held }) => held).map((event) => deadLetter(event, 'behind_dead_letter'));
      const delivery = sent.length === 0 ? ({ state: 'taken' } as const) : await deliver(sink, sent, false);
      if (delivery.state === 'taken') {
        size = Math.min(BATCH, size * 2);
        await settle(end, behind, null, 0);
        return end < logSize;
      }
      const { error } = delivery;
      if (delivery.state === 'refused') {
        if (events.length > 1) {
          size = Math.floor(events.length / 2);
          await settle(from, [], null, 0);
          return true;
        }
        refusals = { leaf: from, count: refusals.leaf === from ? refusals.count + 1 : 1 };
        if (refusals.count >= REFUSED_AFTER) {
          log.warn(
            { sink: sink.name, leaf: sent[0]?.leaf, code: error },
            'a sink refuses an event: it is a dead letter',
          );
          await settle(
            end,
            sent.map((event) => deadLetter(event, error)),
            null,
            0,
          );
          return true;
        }
      }
      if (attempts === 0) log.warn({ sink: sink.name, code: error }, 'a sink does not take events');
      await settle(from, [], error, pause(attempts));
      return false;
    }

    /**
     * Whether the receiver has said anything of it. Where it has not, the letter stays asked for and waits for a pause of its own: it
     * must not keep from the receiver what that does take.
     */
    async function tryAgain(letter: Replayable): Promise<boolean> {
      const { leaf, attempts } = letter;
      const again = await deliver(sink, [letter], true);
      if (again.state === 'taken') await store.settleDeadLetter({ sink: sink.name, leaf, error: null });
      else if (again.state === 'refused') await store.settleDeadLetter({ sink: sink.name, leaf, error: again.error });
      else {
        const { error } = again;
        if (attempts === 0) log.warn({ sink: sink.name, leaf, code: error }, 'a sink does not answer a dead letter');
        await store.settleDeadLetter({ sink: sink.name, leaf, error, delay_seconds: pause(attempts) });
        return false;
      }
      return true;
    }

    return startLoop(POLL_MS, round, (error) =>
      log.warn({ sink: sink.name, code: (error as { code?: unknown }).code }, 'handing events on failed'),
    );
  });
  return {
    async stop(): Promise<void> {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

function deadLetter({ leaf, task }: SinkEvent, error: string) {
  return { leaf, task, error };
}

/** Doubled with each failure, and never the same for two processes. */
function pause(attempts: number): number {
  return Math.min(LONGEST_PAUSE_SECONDS, 2 ** Math.min(attempts, 12)) * (1 - 0.25 * Math.random());
}
