import { denialsSize, exactSize, type EndedSession, type Entry, type Living } from './deny-entries.ts';
import { CLOCKS_MS, type Before, type Denials } from './denials.ts';

/** What one name denies other than by itself: what of it was issued before an instant between these two, in milliseconds. */
export interface Group {
  readonly name: string;
  readonly covers: readonly Entry[];
  /** Earlier, and it would not cover all of these. */
  readonly earliest: number;
  /** Later, and it would touch what lives. */
  readonly latest: number;
}

/** What is denied other than by name. */
export interface Coarse {
  readonly identities: readonly Group[];
  readonly roles: readonly Group[];
  readonly fence?: Group;
}

export const NO_GROUPS: Coarse = { identities: [], roles: [] };

/** The latest instant that may be denied before: a margin ahead of all that lives and of all that comes. */
export function latestFor(living: Living | undefined, at: Date): number {
  return Math.min(living?.since.getTime() ?? Infinity, at.getTime()) - CLOCKS_MS;
}

/** Entries by a name that they and all of their sessions share, as far as they were issued early enough. */
export function groupsOf(
  entries: readonly Entry[],
  nameOf: (session: EndedSession) => string | undefined,
  latestOf: (name: string) => number,
): readonly Group[] {
  const found = new Map<string, { latest: number; earliest: number; covers: Entry[] }>();
  for (const entry of entries) {
    const [name, ...others] = new Set(entry.sessions.map(nameOf));
    if (name === undefined || others.length > 0) continue;
    const group = found.get(name) ?? { latest: latestOf(name), earliest: 0, covers: [] };
    found.set(name, group);
    const before = wholeSecondAfter(entry.issuedBefore + CLOCKS_MS);
    if (before > group.latest) continue;
    group.earliest = Math.max(group.earliest, before);
    group.covers.push(entry);
  }
  return [...found].flatMap(([name, group]) => (group.covers.length > 0 ? [{ name, ...group }] : []));
}

export const wholeSecondAfter = (ms: number) => Math.ceil(ms / 1000) * 1000;

/** As many of the groups as it takes, those first that save most; all of them, where that is not enough. */
export function added(
  groups: readonly Group[],
  to: (chosen: readonly Group[]) => Coarse,
  fits: (coarse: Coarse) => boolean,
): Coarse {
  const ordered = bySaving(groups);
  const first = (count: number) => to(ordered.slice(0, count));
  if (fits(first(0))) return first(0);
  if (!fits(first(ordered.length))) return first(ordered.length);
  let [tooFew, enough] = [0, ordered.length];
  while (enough - tooFew > 1) {
    const between = Math.floor((tooFew + enough) / 2);
    if (fits(first(between))) enough = between;
    else tooFew = between;
  }
  return first(enough);
}

/** Those that take less room than the names that they stand for, as many of them as any document could have. */
export function bySaving(groups: readonly Group[]): readonly Group[] {
  const saves = ({ name, covers }: Group) => exactSize(covers) - (name.length + 3);
  const useful = groups.map((group) => ({ group, saves: saves(group) })).filter((each) => each.saves > 0);
  return useful
    .sort((a, b) => b.saves - a.saves)
    .slice(0, MOST_NAMES)
    .map(({ group }) => group);
}

/** The shortest identity has 18 characters. */
const MOST_NAMES = 300;

/** What has to be denied by name all the same. */
export function rest(entries: readonly Entry[], { identities, roles, fence }: Coarse): readonly Entry[] {
  const covered = new Set([...identities, ...roles, ...(fence ? [fence] : [])].flatMap(({ covers }) => covers));
  return covered.size === 0 ? entries : entries.filter((entry) => !covered.has(entry));
}

export function denialsOf({ identities, roles, fence }: Coarse, exact: readonly Entry[]): Denials {
  const names = (kind: Entry['kind']) => exact.filter((entry) => entry.kind === kind).map(({ name }) => name);
  return {
    grants: names('grants'),
    sessions: names('sessions'),
    identities: together(identities),
    roles: together(roles),
    fence: fence ? new Date(fence.earliest) : undefined,
  };
}

/** Characters of all, with what has to be denied by name. */
export function sizeOf(coarse: Coarse, entries: readonly Entry[]): number {
  const exact = rest(entries, coarse);
  const [grants, sessions] = (['grants', 'sessions'] as const).map((kind) =>
    exact.filter((each) => each.kind === kind),
  );
  // One of each kind stands for the statement around the names.
  const sample = [grants?.[0], sessions?.[0]].flatMap((entry) => (entry ? [entry] : []));
  return denialsSize(denialsOf(coarse, sample)) + exactSize(exact) - exactSize(sample);
}

/** As few statements as the instants allow; each is as early as its names allow. */
function together(groups: readonly Group[]): readonly Before[] {
  const open: Group[][] = [];
  for (const group of [...groups].sort((a, b) => a.latest - b.latest)) {
    const last = open.at(-1);
    // The first of a statement is the one that allows least.
    if (last?.[0] && group.earliest <= last[0].latest) last.push(group);
    else open.push([group]);
  }
  return open.map((statement) => ({
    names: statement.map(({ name }) => name),
    before: new Date(Math.max(...statement.map(({ earliest }) => earliest))),
  }));
}
