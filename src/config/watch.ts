import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatProblem } from '../domain/problem.ts';
import { listRules } from './read-rules.ts';

export interface RulesWatch {
  /** No call begins after this resolves; one that is under way is waited for. */
  close(): Promise<void>;
}

const INTERVAL_MS = 250;

/**
 * Calls `onChange` whenever the rules of a directory have changed since the watch began, once they have been still for one
 * interval; never twice at once. Whatever `onChange` throws is the caller's to handle before it gets here.
 *
 * It looks at names, sizes and times of the few files there, rather than to be told by the system: being told misses
 * mounts of containers and network file systems, ends when a directory is replaced, and says nothing of one that is not
 * there yet. Take the watch first and read the rules then, so that nothing is missed in between.
 */
export async function watchRules(
  directory: string,
  onChange: () => Promise<void> | void,
  intervalMs: number = INTERVAL_MS,
): Promise<RulesWatch> {
  const look = await makeLook(directory);
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let closed = false;

  const next = () => {
    if (closed) return;
    timer = setTimeout(() => {
      running = look()
        .then((changed) => (changed && !closed ? onChange() : undefined))
        .finally(next);
    }, intervalMs);
    timer.unref();
  };
  next();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Looks once: whether the rules have changed since that was last said, and were still since the last look. */
export async function makeLook(directory: string): Promise<() => Promise<boolean>> {
  let told = await signature(directory);
  let last = told;
  return async () => {
    const now = await signature(directory);
    const still = now === last;
    last = now;
    if (!still || now === told) return false;
    told = now;
    return true;
  };
}

/** Changes whenever a file appears, goes, is replaced or is written. */
async function signature(directory: string): Promise<string> {
  const { root, paths, problems } = await listRules(directory);
  const files = await Promise.all(paths.map((path) => signatureOf(join(root, path), path)));
  return [...files, ...problems.map(formatProblem)].join('\n');
}

async function signatureOf(file: string, path: string): Promise<string> {
  const about = await stat(file, { bigint: true }).catch(() => undefined);
  return about ? [path, about.ino, about.size, about.mtimeNs, about.ctimeNs].map(String).join(' ') : `${path} gone`;
}
