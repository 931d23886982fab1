import { Refusal } from '../domain/errors.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { Ledger } from '../ledger/index.ts';
import type { Caller, ExchangeContext, Log } from './context.ts';

/** What is shown in vain: a grant, a task or both, by whom, and for what. */
export interface VainUse {
  readonly how: 'create_task' | 'issue' | 'claim' | 'renew' | 'call' | 'delegate' | 'introspect';
  readonly grant?: GrantId;
  readonly task?: TaskId;
  readonly by: { readonly trust: string; readonly id: string };
  readonly origin: string | null;
}

/**
 * Looks whether what was refused had been taken back, and puts that on record. An alarm takes nothing from the answer that it goes with: it
 * never fails. False where the ledger could not be asked or told.
 */
export type Alert = (use: VainUse) => Promise<boolean>;

/** The same thing, used again in the same way, is looked up and written once in so long, with how often it was: a loop must not fill the record. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** A use that was an alarm. */
interface Noted {
  writtenAt: number;
  /** How often since. */
  since: number;
}

export function makeAlert(parts: {
  readonly ledger: { readonly tasks: Pick<Ledger['tasks'], 'takenBack' | 'noteUse'> };
  readonly log: Log;
  /** Told of every single use. */
  readonly onUse: (how: string) => void;
  readonly nowMs: () => number;
}): Alert {
  const seen = new Map<string, Noted>();

  function remembered(key: string): Noted {
    const entry = seen.get(key) ?? { writtenAt: Number.NEGATIVE_INFINITY, since: 0 };
    seen.delete(key);
    seen.set(key, entry);
    const oldest = seen.size > MAX_REMEMBERED ? seen.keys().next().value : undefined;
    if (oldest !== undefined) seen.delete(oldest);
    return entry;
  }

  /** Whether it is one of many that need no look and no line of their own; it is counted then. */
  function isQuiet(entry: Noted | undefined, how: VainUse['how']): boolean {
    if (!entry || parts.nowMs() - entry.writtenAt >= QUIET_MS) return false;
    entry.since += 1;
    parts.onUse(how);
    return true;
  }

  async function look({ how, grant, task, by, origin }: VainUse): Promise<void> {
    const key = JSON.stringify([how, grant, task, by.trust, by.id]);
    if (isQuiet(seen.get(key), how)) return;
    const taken = await parts.ledger.tasks.takenBack(grant ?? null, task ?? null);
    if (!taken) return;
    const entry = remembered(key);
    if (isQuiet(entry, how)) return;
    parts.onUse(how);
    const before = { ...entry };
    const count = entry.since + 1;
    Object.assign(entry, { writtenAt: parts.nowMs(), since: 0 });
    const what = taken === 'grant' ? { grant: grant ?? null, task: null } : { grant: null, task: task ?? null };
    parts.log.warn({ how, ...what, who: by.id, times: count }, 'used after it was taken back');
    try {
      await parts.ledger.tasks.noteUse({ ...what, how, trust: by.trust, subject: by.id, count, origin });
    } catch (error) {
      // Not on record: the next one is, with those that were not.
      Object.assign(entry, { writtenAt: before.writtenAt, since: entry.since + count });
      throw error;
    }
  }

  return async function alert(use) {
    try {
      await look(use);
      return true;
    } catch (error) {
      const { how, grant, task } = use;
      parts.log.warn(
        { how, grant, task, code: (error as { code?: unknown }).code },
        'an alert could not be put on record',
      );
      return false;
    }
  };
}

/** Runs what a workload wants of a grant or on a task of its own; whatever it is refused for, it may be that this was taken back. */
export async function watched<T>(
  { alert }: Pick<ExchangeContext, 'alert'>,
  how: VainUse['how'],
  { identity, origin }: Caller,
  what: Pick<VainUse, 'grant' | 'task'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) await alert({ how, ...what, by: identity, origin });
    throw error;
  }
}

/** What a call was on, and why it was denied; null where it was not. */
export interface WatchedCall {
  readonly grant: GrantId | null;
  readonly task: { readonly id: TaskId } | null;
  readonly code: string | null;
}

const LOOKED_AT: ReadonlySet<string | null> = new Set(['grant_not_active', 'task_ended', 'under_order']);

/**
 * Calls of a batch that were denied: the alarm, where a grant or a task was taken back. Each is looked up once and one after another, as far as
 * the ledger answers: nobody waits for one that is away more than once.
 */
export async function watchCalls(
  { alert }: Pick<ExchangeContext, 'alert'>,
  { identity, origin }: Caller,
  calls: readonly WatchedCall[],
): Promise<void> {
  const denied = calls.filter(({ code, grant, task }) => LOOKED_AT.has(code) && (grant ?? task) !== null);
  for (const { grant, task } of new Map(denied.map((call) => [`${call.grant} ${call.task?.id}`, call])).values()) {
    if (!(await alert({ how: 'call', ...(grant && { grant }), ...(task && { task: task.id }), by: identity, origin })))
      return;
  }
}
