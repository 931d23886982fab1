import { WritError } from '../client/index.ts';
import type { Shell } from './shell.ts';

export interface Watched<T> {
  readonly first: T;
  read(): Promise<T>;
  done(value: T): boolean;
  show(value: T): Promise<void>;
  /** Gives up after this; 0 looks at the first only. */
  readonly seconds: number;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Asks again until it is done or the time is over, and answers what was seen last. A broker that is away for a moment
 * (a rolling restart) is no news; what it refuses is thrown.
 */
export async function watch<T>(shell: Shell, watched: Watched<T>): Promise<T> {
  const end = shell.now().getTime() + watched.seconds * 1000;
  let seen = watched.first;
  let pause = FIRST_PAUSE_MS;
  await watched.show(seen);
  while (!watched.done(seen)) {
    const left = end - shell.now().getTime();
    if (left <= 0) return seen;
    await shell.sleep(Math.min(pause, left));
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS);
    const next = await readOr(watched, seen);
    if (next !== seen) await watched.show(next);
    seen = next;
  }
  return seen;
}

async function readOr<T>(watched: Watched<T>, otherwise: T): Promise<T> {
  try {
    return await watched.read();
  } catch (error) {
    if (error instanceof WritError && (error.code === 'unreachable' || error.status >= 500)) return otherwise;
    throw error;
  }
}
