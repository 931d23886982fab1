import type { Settings } from './config/index.ts';
import type { Clock } from './domain/clock.ts';
import { Fault } from './domain/errors.ts';
import type { JsonObject } from './domain/json.ts';
import type { Log } from './exchange/context.ts';
import { CLASS_NAMES } from './keys/classes.ts';
import type { TokenClass } from './keys/classes.ts';
import { makeKeyRing, REFRESH_EVERY_SECONDS } from './keys/ring.ts';
import type { CheckpointKey } from './keys/ring.ts';
import type { KeyStore } from './keys/store.ts';

/** The longest life of a grant, and so of a token that is signed for one. */
const MAX_TOKEN_LIFE_SECONDS = 2_592_000;

export interface Keys {
  /** @throws Fault `keys_unavailable`. */
  sign(tokenClass: TokenClass, payload: JsonObject): Promise<string>;
  verify(tokenClass: TokenClass, token: string): Promise<JsonObject | undefined>;
  jwks(): Promise<JsonObject>;
  /** Absent: no key signs the log's checkpoints here. */
  readonly checkpointKey: (() => Promise<CheckpointKey>) | undefined;
  health(): JsonObject | undefined;
  close(): void;
}

/** The signing keys at work; without key-encryption keys in the settings nothing can be signed, and no token is ours. */
export async function startKeys(
  settings: Settings['keys'],
  store: KeyStore,
  clock: Clock,
  log: Log,
  checkpoints: boolean,
): Promise<Keys> {
  if (!settings) return noKeys;
  const ring = makeKeyRing({
    store,
    encryption: settings.encryption,
    clock,
    rotateEverySeconds: settings.rotateEverySeconds,
    maxTokenLifeSeconds: MAX_TOKEN_LIFE_SECONDS,
    checkpoints,
    classes: CLASS_NAMES,
  });
  const keepUp = async () => {
    try {
      await ring.refresh();
      await ring.rewrap();
    } catch (error) {
      log.warn({ error }, 'the signing keys cannot be kept up');
    }
  };
  await keepUp();
  const timer = setInterval(() => void keepUp(), REFRESH_EVERY_SECONDS * 1000);
  timer.unref();
  return {
    sign: ring.sign,
    verify: ring.verify,
    jwks: async () => ({ ...(await ring.jwks()) }),
    checkpointKey: checkpoints ? ring.checkpointKey : undefined,
    health: () => {
      const { healthy, problem, keys } = ring.status();
      return { ok: healthy, count: keys.length, ...(problem === undefined ? {} : { problem }) };
    },
    close: () => {
      clearInterval(timer);
      ring.close();
    },
  };
}

const noKeys: Keys = {
  sign: () => Promise.reject(new Fault('keys_unavailable')),
  verify: () => Promise.resolve(undefined),
  jwks: () => Promise.resolve({ keys: [] }),
  checkpointKey: undefined,
  health: () => undefined,
  close: () => undefined,
};
