import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { CliError, EXIT } from '../exit.ts';
import type { ProcessInfo } from '../self.ts';

/** Longer than whoever holds it may work: after that it is taken over. */
export const LOCK_MS = 40_000;

export interface Lock {
  /** Whether it has not been taken over. */
  isMine(): Promise<boolean>;
  /** Never throws: what is left is taken over. */
  release(): Promise<void>;
}

/** What whoever cannot have it, or has lost it, is told. */
export function busy(): CliError {
  const help = 'try again in a moment';
  return new CliError('cache_busy', 'another process is asking for the same', { exit: EXIT.unavailable, help });
}

export interface LockPlace {
  readonly file: string;
  readonly self: ProcessInfo;
  readonly now: Date;
}

/**
 * Takes the lock, or answers `undefined` where somebody has it who is at work. A lock whose process is gone, or that has
 * been held for too long, is taken over. What it guards is economy, not safety: two that both believe to have it make one
 * issuance too many.
 */
export async function takeLock(place: LockPlace): Promise<Lock | undefined> {
  const { file, self, now } = place;
  const found = await read(file);
  if (found !== undefined) {
    if (!isStale(found, place)) return undefined;
    await putAside(file, found);
  }
  const mine = JSON.stringify({ pid: self.pid, host: hostname(), at: now.getTime(), token: randomUUID() });
  // By a link, so that nobody ever finds a lock that is not written yet.
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, mine, { flag: 'wx', mode: 0o600 });
  try {
    await link(draft, file);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const isMine = async () => (await read(file).catch(() => undefined)) === mine;
  return {
    isMine,
    release: async () => {
      if (await isMine()) await rm(file, { force: true }).catch(() => undefined);
    },
  };
}

function isStale(text: string, { self, now }: LockPlace): boolean {
  const holder = holderIn(text);
  if (!holder || Math.abs(now.getTime() - holder.at) > LOCK_MS) return true;
  return holder.host === hostname() && !self.isAlive(holder.pid);
}

function holderIn(text: string): { readonly pid: number; readonly host: string; readonly at: number } | undefined {
  try {
    const { pid, host, at } = JSON.parse(text) as { pid?: unknown; host?: unknown; at?: unknown };
    return typeof pid === 'number' && typeof host === 'string' && typeof at === 'number'
      ? { pid, host, at }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Renamed rather than removed: if it is another than the one that was judged, it is put back. */
async function putAside(file: string, judged: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await read(aside)) !== judged) await link(aside, file);
  } catch (error) {
    // Somebody else was faster, with either step.
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
