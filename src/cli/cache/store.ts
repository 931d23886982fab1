import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessInfo } from '../self.ts';
import { isPrivate, privateDirectory, unusable } from './directory.ts';
import { readEntry, writeEntry, type Entry } from './entry.ts';
import { busy, takeLock, type Lock } from './lock.ts';
import type { Context } from '../context.ts';

/**
 * Entries as files of one private directory, each written whole and moved into place. Each verb throws CliError
 * `cache_unusable` where the system refuses, and holds nothing open.
 */
export interface Store {
  /** `undefined` also for what is no entry, or could be another user's. */
  read(key: string): Promise<Entry | undefined>;
  write(entry: Entry): Promise<void>;
  remove(key: string): Promise<void>;
  /** One try: see `takeLock`. */
  lock(key: string): Promise<Lock | undefined>;
  entries(): Promise<readonly Entry[]>;
  /**
   * Removes what is of no use to anybody and that nobody is at work on: entries whose grants have ended and that wait for nothing, and
   * what crashes left, halves of entries above all, which can hold a secret.
   */
  sweep(): Promise<void>;
}

/** @throws CliError `cache_unusable`. */
export async function openStore(context: Pick<Context, 'env' | 'self' | 'now'>): Promise<Store> {
  const { env, self } = context;
  return makeStore(await privateDirectory(env, self.uid), { self, now: () => context.now() });
}

/** Longer than any answer, or a broker's memory of an idempotency key. */
const LITTER_MS = 86_400_000;
const LARGEST = 262_144;
const ENTRY = '.json';
/** An entry that is being written: see `replace`. */
const DRAFT = /\.json\.[0-9a-f-]{36}$/;
/** Entries, their drafts, locks and theirs begin with the key. */
const OF_KEY = /^(.+?)\.(?:json|lock)(?:\.[0-9a-f-]{36})?$/;

export function makeStore(directory: string, parts: { readonly self: ProcessInfo; now(): Date }): Store {
  const { self, now } = parts;
  const fileOf = (key: string) => join(directory, `${key}${ENTRY}`);

  const read = (key: string) =>
    orUnusable(async () => {
      const text = await readPrivate(fileOf(key), self.uid);
      return text === undefined ? undefined : readEntry(text, key);
    });
  const entries = () =>
    orUnusable(async () => {
      const names = (await readdir(directory)).filter((name) => name.endsWith(ENTRY));
      const found = await Promise.all(names.map((name) => read(name.slice(0, -ENTRY.length))));
      return found.filter((entry) => entry !== undefined);
    });

  const lock = (key: string) => orUnusable(() => takeLock({ file: join(directory, `${key}.lock`), self, now: now() }));

  async function isOver(name: string): Promise<boolean> {
    if (DRAFT.test(name)) return true;
    const entry = name.endsWith(ENTRY) ? await read(name.slice(0, -ENTRY.length)) : undefined;
    if (entry?.held && Date.parse(entry.held.grant.expires_at) > now().getTime()) return false;
    if (entry?.held && !entry.asked && !entry.waits) return true;
    const found = await stat(join(directory, name)).catch(() => undefined);
    return found !== undefined && now().getTime() - found.mtimeMs > LITTER_MS;
  }

  return {
    read,
    entries,
    write: (entry) => orUnusable(() => replace(fileOf(entry.key), writeEntry(entry))),
    remove: (key) => orUnusable(() => rm(fileOf(key), { force: true })),
    lock,
    sweep: () =>
      orUnusable(async () => {
        for (const name of await readdir(directory)) {
          if (!(await isOver(name))) continue;
          const [, key = name] = OF_KEY.exec(name) ?? [];
          const held = await lock(key);
          try {
            // Whoever had it until now may have written anew.
            if (held && (await isOver(name))) await rm(join(directory, name), { force: true });
          } finally {
            await held?.release();
          }
        }
      }),
  };
}

/** For whoever has the lock, and writes nothing once somebody else has it. @throws CliError `cache_busy` then. */
export function guarded(store: Store, { isMine }: Pick<Lock, 'isMine'>): Store {
  const mine = async () => {
    if (!(await isMine())) throw busy();
  };
  return {
    ...store,
    write: (entry) => mine().then(() => store.write(entry)),
    remove: (key) => mine().then(() => store.remove(key)),
  };
}

/** The file as it is, or `undefined` where there is none that is this user's alone; a link is not followed. */
async function readPrivate(file: string, uid: number | undefined): Promise<string | undefined> {
  let handle;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'EMLINK' || code === 'EACCES') return undefined;
    throw error;
  }
  try {
    const found = await handle.stat();
    if (!found.isFile() || !isPrivate(found, uid) || found.size > LARGEST) return undefined;
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** Readers find what was there or what is new, whole. */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, text, { flag: 'wx', mode: 0o600 });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}

async function orUnusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined || code === undefined) throw error;
    throw unusable(`${syscall} failed (${code})`);
  }
}
