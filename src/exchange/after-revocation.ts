import { Refusal } from '../domain/errors.ts';
import type { EndReason } from '../domain/grant.ts';
import type { GrantId, TaskId } from '../domain/ids.ts';
import type { GrantView, Ledger } from '../ledger/index.ts';
import type { Caller, ExchangeContext, Log } from './context.ts';

/** What is shown although it was taken back, by whom, and for what. */
export interface UseAfterRevocation {
  readonly how: 'issue' | 'claim' | 'renew' | 'call' | 'delegate' | 'introspect';
  readonly grant?: GrantId;
  readonly task?: TaskId;
  readonly by: { readonly trust: string; readonly id: string };
  readonly origin: string | null;
}

/** An alarm, on record; it never fails, and never delays a refusal for long. */
export type Alert = (use: UseAfterRevocation) => Promise<void>;

/** The same thing, used again in the same way, is written once in so long, with how often it was: a loop must not fill the record. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 10_000;

export function makeAlert(parts: {
  readonly ledger: Pick<Ledger, 'tasks'>;
  readonly log: Log;
  /** Told of every single use. */
  readonly onUse: (how: string) => void;
  readonly nowMs: () => number;
}): Alert {
  const seen = new Map<string, { writtenAt: number; since: number }>();

  /** How often since it was written last; undefined: not yet to be written again. */
  function count(key: string): number | undefined {
    const now = parts.nowMs();
    const entry = seen.get(key) ?? { writtenAt: Number.NEGATIVE_INFINITY, since: 0 };
    entry.since += 1;
    seen.delete(key);
    seen.set(key, entry);
    const oldest = seen.size > MAX_REMEMBERED ? seen.keys().next().value : undefined;
    if (oldest !== undefined) seen.delete(oldest);
    if (now - entry.writtenAt < QUIET_MS) return undefined;
    const { since } = entry;
    Object.assign(entry, { writtenAt: now, since: 0 });
    return since;
  }

  return async function alert({ how, grant, task, by, origin }) {
    parts.onUse(how);
    const times = count(JSON.stringify([how, grant, task, by.trust, by.id]));
    if (times === undefined) return;
    parts.log.warn({ how, grant, task, who: by.id, times }, 'used after it was taken back');
    const use = {
      grant: grant ?? null,
      task: task ?? null,
      how,
      trust: by.trust,
      subject: by.id,
      count: times,
      origin,
    };
    await parts.ledger.tasks.noteUse(use).catch((cause: unknown) => {
      parts.log.warn(
        { how, grant, task, code: (cause as { code?: unknown }).code },
        'an alert could not be put on record',
      );
    });
  };
}

/** Ends that somebody wanted; one that only came with time is nobody's alarm. */
const TAKEN_BACK: ReadonlySet<string | null> = new Set<EndReason>(['revocation', 'order', 'task_ended']);

/** Whether a grant ended because somebody wanted it to, or an order covers it. */
export function grantTakenBack({ why, orderId }: Pick<GrantView, 'why' | 'orderId'>): boolean {
  return TAKEN_BACK.has(why) || orderId !== null;
}

/** Runs what a workload wants of a grant of its own, and raises the alarm where it is refused because the grant was taken back. */
export async function usingGrant<T>(
  { alert }: Pick<ExchangeContext, 'alert'>,
  how: UseAfterRevocation['how'],
  { identity, origin }: Caller,
  view: GrantView,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const blocked = error instanceof Refusal && (error.code === 'under_order' || error.code === 'task_ended');
    if (blocked || grantTakenBack(view)) await alert({ how, grant: view.id as GrantId, by: identity, origin });
    throw error;
  }
}

/** The same for a task that was made beforehand, whatever else there is to refuse: what is asked for may be too much as well. */
export async function usingTask<T>(
  { alert, ledger, clock }: Pick<ExchangeContext, 'alert' | 'ledger' | 'clock'>,
  how: UseAfterRevocation['how'],
  { identity, origin }: Caller,
  task: TaskId,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal && (await wasTakenBack({ ledger, clock }, task)))
      await alert({ how, task, by: identity, origin });
    throw error;
  }
}

/** A call that was denied: the alarm, where its grant or its task was taken back. */
export async function watchCall(
  { alert, ledger, clock }: Pick<ExchangeContext, 'alert' | 'ledger' | 'clock'>,
  { identity, origin }: Caller,
  { grant, task }: { readonly grant: GrantId | null; readonly task: { readonly id: TaskId } | null },
  code: string | null,
): Promise<void> {
  if (code !== 'grant_not_active' && code !== 'task_ended' && code !== 'under_order') return;
  const use = { how: 'call', by: identity, origin } as const;
  const view = grant && (await ledger.grants.find(grant));
  if (view && grantTakenBack(view)) await alert({ ...use, grant });
  else if (!view && task && (await wasTakenBack({ ledger, clock }, task.id))) await alert({ ...use, task: task.id });
}

/** Ended by somebody, or under an order of its own; not one whose deadline has passed. */
export async function wasTakenBack(
  { ledger, clock }: Pick<ExchangeContext, 'ledger' | 'clock'>,
  task: TaskId,
): Promise<boolean> {
  const row = await ledger.tasks.find(task);
  if (!row) return false;
  if (row.state === 'ended') return row.endedWhy !== 'deadline';
  return (row.endsAt === null || row.endsAt > clock.now()) && !(await ledger.tasks.isActive(task));
}
