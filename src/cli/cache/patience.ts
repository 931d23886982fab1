import type { Shell } from '../shell.ts';

/** For another process that is at work: it, and one that took over from it. */
const WAIT_MS = 65_000;
const PAUSES_MS = { first: 50, longest: 500 };

/** Pauses that grow, for whoever waits for a lock; each answers false, at once, where it has been long enough. */
export function makePatience(shell: Pick<Shell, 'now' | 'sleep'>): () => Promise<boolean> {
  const giveUp = shell.now().getTime() + WAIT_MS;
  let pause = PAUSES_MS.first;
  return async () => {
    if (shell.now().getTime() >= giveUp) return false;
    await shell.sleep(pause);
    pause = Math.min(pause * 1.5, PAUSES_MS.longest);
    return true;
  };
}
