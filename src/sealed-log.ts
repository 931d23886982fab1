import { createPublicKey, sign } from 'node:crypto';
import { makeCheckpointer } from './audit/checkpointer.ts';
import type { CheckpointSigner } from './audit/checkpointer.ts';
import { formatNoteKey, makeNoteKey } from './audit/note.ts';
import { makePublisher, WitnessDisagrees } from './audit/publisher.ts';
import { checkHead, makeSealer } from './audit/sealer.ts';
import type { LogStore } from './audit/store.ts';
import { makeWitnesses } from './audit/witnesses/index.ts';
import type { AuditSettings } from './config/index.ts';
import type { Clock } from './domain/clock.ts';
import type { JsonObject } from './domain/json.ts';
import type { Outbound } from './domain/outbound.ts';
import type { Log } from './exchange/context.ts';
import type { CheckpointKey } from './keys/ring.ts';
import type { OldestTransaction } from './reaper/sealing.ts';
import { startSealing } from './reaper/sealing.ts';
import { StartError } from './start-error.ts';

export interface SealedLogDeps {
  readonly store: LogStore & {
    unsealedSeconds(): Promise<number>;
    oldestTransaction(): Promise<OldestTransaction | undefined>;
  };
  /** The ring's; undefined: nothing in the ledger can sign. */
  readonly ringKey: (() => Promise<CheckpointKey>) | undefined;
  readonly outbound: Outbound;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The log at work. First every witness is asked what it keeps: a ledger that says less, or something else, was restored from a
 * backup, or is another one, and nothing may be built on top of it. A witness that cannot be asked does not keep the broker from
 * starting: it is asked in rounds, and until it has answered events are sealed and nothing is signed. @throws StartError.
 */
export async function startSealedLog(settings: AuditSettings, deps: SealedLogDeps) {
  const { store, clock, log } = deps;
  const head = await store.head();
  const origin = settings.origin ?? head.logId;
  const signer = makeSigner(settings, deps.ringKey, origin);
  const key = signer?.key ?? (() => Promise.reject(new Error('there is no key for checkpoints')));
  const witnesses = makeWitnesses(settings.witnesses, { outbound: deps.outbound, now: clock.now });
  const checkpointer = signer && makeCheckpointer(store, signer, origin);
  const publisher = makePublisher(store, { origin, key }, witnesses, (agreed) => checkpointer?.remember(agreed));

  await publisher.check((witness, error) => {
    if (error instanceof WitnessDisagrees) refuseStart(error, log);
    log.warn({ witness, code: (error as { code?: unknown }).code }, 'a witness could not be asked what it keeps');
  });

  const sealing = startSealing({
    seal: makeSealer(store),
    ...(checkpointer ? { checkpointer } : {}),
    publisher,
    async checkWhole() {
      await checkHead(store);
      await checkpointer?.check();
    },
    oldestTransaction: store.oldestTransaction,
    sealEveryMs: settings.sealEverySeconds * 1000,
    publishEveryMs: settings.publishEverySeconds * 1000,
    nowMs: () => clock.now().getTime(),
    log,
  });
  return {
    origin,
    stop: sealing.stop,
    /** The key that signs now, as verifiers want it; undefined: there is none. */
    verifierKey: async () => signer && formatNoteKey(await signer.key()),
    size: async () => sealing.status().head?.size ?? (await store.head()).size,
    unsealedSeconds: store.unsealedSeconds,
    heldUpSeconds: () => sealing.status().heldUpSeconds,
    isDamaged: () => sealing.status().problem !== undefined,
    witnessFailures: () => Object.fromEntries(publisher.states().map(({ name, failures }) => [name, failures])),
    health: (): JsonObject => {
      const { head: now, problem } = sealing.status();
      const states = publisher
        .states()
        .map(({ name, size, problem: said }) => [
          name,
          { ok: said === undefined, size, ...(said === undefined ? {} : { problem: said }) },
        ]);
      const unasked = publisher.unasked();
      return {
        ok: problem === undefined && states.every(([, state]) => (state as { ok: boolean }).ok),
        size: now?.size ?? 0,
        signed: signer !== undefined,
        ...(problem === undefined ? {} : { problem }),
        ...(signer && unasked.length > 0 ? { signing_waits_for: unasked } : {}),
        witnesses: Object.fromEntries(states) as JsonObject,
      };
    },
  };
}
export type SealedLog = Awaited<ReturnType<typeof startSealedLog>>;

function refuseStart(error: WitnessDisagrees, log: Log): never {
  const { witness, code, message } = error;
  log.error({ alarm: 'witness_disagrees', witness, code, detail: message }, 'a witness disagrees with the ledger');
  throw new StartError(
    `the witness ${witness} disagrees with the ledger (${code}): ${message}. The ledger was restored from a backup, or changed, or is another one; see docs/audit.md, "A witness that cannot be asked, or disagrees"`,
  );
}

function makeSigner(
  { signer }: AuditSettings,
  ringKey: SealedLogDeps['ringKey'],
  origin: string,
): CheckpointSigner | undefined {
  if (signer) {
    const privateKey = signer.reveal();
    const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
    const key = makeNoteKey(origin, Buffer.from(x, 'base64url'));
    return { key: async () => key, sign: async (text) => sign(null, text, privateKey) };
  }
  return (
    ringKey && {
      key: async () => makeNoteKey(origin, (await ringKey()).publicKey),
      sign: async (text) => (await ringKey()).sign(text),
    }
  );
}
