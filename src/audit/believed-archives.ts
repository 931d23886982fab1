import { endOfMonth, spanOfMonth } from './archived.ts';
import type { ArchivedMonth } from './archived.ts';
import type { ArchiveFile } from './archive-file.ts';
import { instantOf, readEvent, textOrNull } from './event.ts';
import type { Event } from './event.ts';

/** A row of the ledger's own list of what was put away, which whoever owns the database can write. */
export interface RecordedMonth extends ArchivedMonth {
  readonly archivedAt: string;
}

/**
 * Which months are believed to have been put away: those that the log itself says so of, with the leaves that it names. Its event may
 * have been put away since: then it lies in a later month that is believed, behind the leaves that it speaks of, and where that month's
 * archive was given it would have been read there.
 * @param told - events `events.archived` that can be read, those of archives that were given among them.
 */
export function believedArchives(
  recorded: readonly RecordedMonth[],
  told: readonly Event[],
  isGiven: (month: string) => boolean,
): ArchivedMonth[] {
  const believed: ArchivedMonth[] = [];
  const newestFirst = [...recorded].sort((one, other) => (one.month > other.month ? -1 : 1));
  for (const { archivedAt, ...month } of newestFirst) {
    const event = told.find(({ facts, at }) => facts['month'] === month.month && at >= endOfMonth(month.month));
    const ranges = event && rangesOf(textOrNull(event.facts['leaves']));
    if (ranges) {
      believed.push({ ...month, ranges });
      continue;
    }
    const at = instantOf(archivedAt);
    const last = lastOf(month);
    const lies = believed.some((later) => {
      const { from, to } = spanOfMonth(later.month);
      return !isGiven(later.month) && at >= from && at < to && last < lastOf(later);
    });
    if (lies && at >= endOfMonth(month.month)) believed.push({ ...month, isEventAway: true });
  }
  return believed.reverse();
}

/** What the files say was put away, wherever it stands in them. */
export async function archivingsOf(files: readonly ArchiveFile[]): Promise<Event[]> {
  const found: Event[] = [];
  for (const file of files) {
    for await (const part of file.events()) {
      for (const line of part) if (line?.body.includes('"events.archived"')) found.push(...archivings([line]));
    }
  }
  return found;
}

export function archivings(rows: readonly { readonly body: string }[]): Event[] {
  return rows
    .map(({ body }) => readEvent(body))
    .filter((event) => event !== undefined)
    .filter(({ type, body }) => type === 'events.archived' && body['success'] === true);
}

/** A multirange of leaves as the database writes it. */
export function rangesOf(text: string | null): { first: number; end: number }[] | undefined {
  if (text === null || !/^\{(?:\[\d{1,15},\d{1,15}\)(?:,(?=\[))?)*\}$/.test(text)) return undefined;
  return [...text.matchAll(/\[(\d+),(\d+)\)/g)].map(([, first, end]) => ({ first: Number(first), end: Number(end) }));
}

function lastOf({ ranges }: ArchivedMonth): number {
  return ranges.at(-1)?.end ?? 0;
}
