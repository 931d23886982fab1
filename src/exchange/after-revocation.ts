import { within } from '../domain/deadline.ts';
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
  /** What it was refused for; absent: that it is not active. */
  readonly code?: string | null;
}

/**
 * Looks whether what was refused had been taken back, and puts that on record. An alarm takes nothing from the answer that it goes with: it
 * never fails. False where the ledger could not be asked or told.
 */
export type Alert = (use: VainUse) => Promise<boolean>;

/** The same thing, used again in the same way, is written once in so long, with how often it was: a loop must not fill the record. */
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

  /** Those that were used last are forgotten last. */
  function remembered(key: string, entry: Noted = { writtenAt: Number.NEGATIVE_INFINITY, since: 0 }): Noted {
    seen.delete(key);
    seen.set(key, entry);
    const oldest = seen.size > MAX_REMEMBERED ? seen.keys().next().value : undefined;
    if (oldest !== undefined) seen.delete(oldest);
    return entry;
  }

  /** Whether it is one of many that need no line of their own; it is counted then. */
  function isQuiet(entry: Noted, how: VainUse['how']): boolean {
    if (parts.nowMs() - entry.writtenAt >= QUIET_MS) return false;
    entry.since += 1;
    parts.onUse(how);
    return true;
  }

  async function look({ how, grant, task, by, origin, code }: VainUse): Promise<void> {
    const key = JSON.stringify([how, grant, task, by.trust, by.id]);
    const known = seen.get(key);
    // What was refused for something else may not be taken back any more: the order may have been lifted.
    if (known && saysSo(code) && isQuiet(remembered(key, known), how)) return;
    const taken = await parts.ledger.tasks.takenBack(grant ?? null, task ?? null);
    if (!taken) return;
    const entry = remembered(key, seen.get(key));
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
    if (error instanceof Refusal) await patiently(alert({ how, ...what, by: identity, origin, code: error.code }));
    throw error;
  }
}

/** An answer waits no longer than this for the alarms of what is refused at once, however many there are: those go on behind it. */
const PATIENCE_MS = 1_000;

/** @param work - never rejects. */
export async function patiently(work: Promise<unknown>): Promise<void> {
  await within(PATIENCE_MS, work, () => undefined);
}

/** What a call was on, and why it was denied; null where it was not. */
export interface WatchedCall {
  readonly grant: GrantId | null;
  readonly task: { readonly id: TaskId } | null;
  readonly code: string | null;
}

/** What is refused where a grant or a task does not count any more. */
const SAYING_SO: ReadonlySet<string> = new Set(['grant_not_active', 'task_ended', 'under_order']);
const saysSo = (code: VainUse['code']) => code === undefined || (code !== null && SAYING_SO.has(code));

/**
 * Calls of a batch that were denied: the alarm, where a grant or a task was taken back. Each is looked up once and one after another, as far as
 * the ledger answers: one that is away is not asked more than once.
 */
export async function watchCalls(
  { alert }: Pick<ExchangeContext, 'alert'>,
  { identity, origin }: Caller,
  calls: readonly WatchedCall[],
): Promise<void> {
  const denied = calls.filter(({ code, grant, task }) => code !== null && saysSo(code) && (grant ?? task) !== null);
  if (denied.length === 0) return;
  const uses = new Map(denied.map((call) => [`${call.grant} ${call.task?.id}`, call])).values();
  async function lookAtAll(): Promise<void> {
    for (const { grant, task, code } of uses) {
      const shown = { ...(grant && { grant }), ...(task && { task: task.id }) };
      if (!(await alert({ how: 'call', ...shown, by: identity, origin, code }))) return;
    }
  }
  await patiently(lookAtAll());
}
