import type { Shell } from './shell.ts';

const WIDTH = 30;
const EVERY_MS = 100;

/** How far something is, on a terminal; elsewhere nothing is shown. */
export function makeProgressBar(shell: Shell, verb: string) {
  let shownAt = 0;
  let showing = Promise.resolve();
  const isShown = shell.stderr.isTTY === true;
  const began = shell.now().getTime();
  return {
    show(done: number, total: number): void {
      const now = shell.now().getTime();
      if (!isShown || (now - shownAt < EVERY_MS && done < total)) return;
      shownAt = now;
      showing = shell.out.progress([barOf(done, total, verb, (now - began) / 1000)]);
    },
    /** What is shown stays; what comes next stands below it. */
    end: () => showing,
  };
}

export function barOf(done: number, total: number, verb: string, seconds: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * WIDTH);
  const rate = seconds > 0 ? `, ${Math.round(done / seconds)} per second` : '';
  return `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${Math.floor(share * 100)}% ${verb} ${done} of ${total}${rate}`;
}
