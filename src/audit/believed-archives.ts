import { endOfMonth, isMonth, spanOfMonth } from './archived.ts';
import type { ArchivedMonth, Span } from './archived.ts';
import type { ArchiveFile } from './archive-file.ts';
import { instantOf, readEvent, textOrNull } from './event.ts';
import type { Event } from './event.ts';
import type { Findings } from './findings.ts';
import { leafHash } from './merkle.ts';
import { same } from './proofs.ts';
import { storedAt } from './stored.ts';

/** A row of the ledger's own list of what was put away, which whoever owns the database can write. */
export interface RecordedMonth extends ArchivedMonth {
  readonly archivedAt: string;
}

/** An event `events.archived`, and where in the log it stands. */
export interface Archiving {
  readonly leaf: number;
  readonly event: Event;
}

/**
 * Which months are taken for put away: those that the log itself says it of, with what it says. Its event may have been put away since:
 * then it lies in a later month that was, behind the leaves that it speaks of. Whatever else the list has is told, and not believed.
 * @param told - as they were sealed, those of archives that were given among them.
 */
export function believedArchives(
  recorded: readonly RecordedMonth[],
  told: readonly Archiving[],
  isGiven: (month: string) => boolean,
  findings: Findings,
): ArchivedMonth[] {
  const believed: ArchivedMonth[] = [];
  const said = new Map<string, ArchivedMonth>();
  for (const month of told.map(monthOf)) if (month && !said.has(month.month)) said.set(month.month, month);
  const newestFirst = [...recorded].sort((one, other) => (one.month > other.month ? -1 : 1));
  for (const { archivedAt, ...row } of newestFirst) {
    const about = `archive ${row.month}`;
    const own = said.get(row.month);
    if (own) {
      believed.push(own);
      continue;
    }
    const at = instantOf(archivedAt);
    const holder =
      !isMonth(row.month) || at < endOfMonth(row.month) ? undefined : believed.find((later) => mayHold(later, row, at));
    if (!holder || isGiven(holder.month) || believed.some(({ ranges }) => overlap(ranges, row.ranges))) {
      findings.add('archive_unproven', about, 'no event that is sealed says that it was put away');
      if (isGiven(row.month)) believed.push(row); // nothing of it is taken on trust
      continue;
    }
    believed.push({ ...row, isEventAway: true });
    if (isGiven(row.month)) continue;
    const message = `what says that it was put away was put away itself, with ${holder.month}: give the archive of either`;
    findings.add('archive_unproven', about, message);
  }
  return believed.reverse();
}

/** What an event says was put away; undefined for what cannot be. */
function monthOf({ leaf, event: { facts, at } }: Archiving): ArchivedMonth | undefined {
  const { month, count, sha256 } = facts;
  const ranges = rangesOf(textOrNull(facts['leaves']));
  if (typeof month !== 'string' || typeof count !== 'number' || typeof sha256 !== 'string' || !ranges) return undefined;
  if (!isMonth(month)) return undefined;
  return at >= endOfMonth(month) && leaf >= behind(ranges) ? { month, events: count, sha256, ranges } : undefined;
}

/** Whether the event of a month that was put away at that time may be one of those of a later month. */
function mayHold(later: ArchivedMonth, { ranges }: ArchivedMonth, at: string): boolean {
  const { from, to } = spanOfMonth(later.month);
  return at >= from && at < to && behind(ranges) < behind(later.ranges);
}

/** Of what was written down as `events.archived`, that which is in the log: whose hash is the one that was sealed at its leaf. */
export async function sealedArchivings(
  lines: Iterable<Line> | AsyncIterable<Line>,
  stored: (from: number, to: number) => Promise<Buffer>,
): Promise<Archiving[]> {
  const found: Archiving[] = [];
  for await (const { leaf, body } of lines) {
    const event = readEvent(body);
    if (event?.type !== 'events.archived' || event.body['success'] !== true) continue;
    if (leaf === null || !Number.isSafeInteger(leaf) || leaf < 0) continue;
    const place = storedAt({ level: 0, index: leaf });
    if (same(await stored(place, place + 1), leafHash(body))) found.push({ leaf, event });
  }
  return found;
}

interface Line {
  readonly leaf: number | null;
  readonly body: string;
}

/** What files may have of that, wherever it stands in them. */
export async function* archivingsIn(files: readonly ArchiveFile[]): AsyncGenerator<Line> {
  for (const file of files) {
    for await (const part of file.events()) {
      for (const line of part) if (line?.body.includes('"events.archived"')) yield line;
    }
  }
}

/** A multirange of leaves as the database writes it: rising, and apart. */
export function rangesOf(text: string | null): Span[] | undefined {
  if (text === null || !/^\{(?:\[\d{1,15},\d{1,15}\)(?:,(?=\[))?)*\}$/.test(text)) return undefined;
  const ranges = [...text.matchAll(/\[(\d+),(\d+)\)/g)].map(([, first, end]) => ({
    first: Number(first),
    end: Number(end),
  }));
  const fits = ranges.every(({ first, end }, at) => first < end && (ranges[at - 1]?.end ?? -1) < first);
  return fits ? ranges : undefined;
}

/** Of rising spans, whether one has all of it. */
export function hasSpan(spans: readonly Span[], { first, end }: Span): boolean {
  const span = lastFrom(spans, first);
  return span !== undefined && span.first <= first && end <= span.end;
}

function overlap(one: readonly Span[], other: readonly Span[]): boolean {
  return other.some(({ first, end }) => (lastFrom(one, end - 1)?.end ?? 0) > first);
}

/** Of rising spans, the last that begins at a leaf or before it. */
function lastFrom(spans: readonly Span[], leaf: number): Span | undefined {
  let [from, to] = [0, spans.length];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if ((spans[middle]?.first ?? 0) <= leaf) from = middle + 1;
    else to = middle;
  }
  return spans[from - 1];
}

function behind(ranges: readonly Span[]): number {
  return ranges.at(-1)?.end ?? 0;
}
