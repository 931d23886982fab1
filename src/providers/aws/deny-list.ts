import { denialStatements } from './boundary-document.ts';
import { together, type Group } from './deny-groups.ts';
import { CLOCKS_MS, denying, type Denials, type Session } from './denials.ts';

/** A credential that was ended before its time. */
export interface EndedSession extends Session {
  readonly endsAt: Date;
  /** Its grant lives on, so that the grant's tag denies too much. */
  readonly grantGoesOn: boolean;
  /** Others of its grant may have the same session, so that the session's name denies too much. */
  readonly shared: boolean;
  /** It was reported as ended, and must stay so. */
  readonly confirmed: boolean;
}

/** What lives of an identity, of a role, of all: grants that go on. */
export interface Living {
  readonly grants: number;
  /** The oldest of them began then: none of their sessions was issued before. */
  readonly since: Date;
}

/** What a deny list is made from. */
export interface World {
  readonly ended: readonly EndedSession[];
  readonly identities: ReadonlyMap<string, Living>;
  readonly roles: ReadonlyMap<string, Living>;
  readonly all: Living | undefined;
  /** The ledger was read at this instant: whatever it does not show is issued later. */
  readonly at: Date;
  /** Characters that denials may take. */
  readonly room: number;
  /** Where nothing else is left, what lives is denied as well. */
  readonly fence: boolean;
  /** What is denied already: it stays before others come in. */
  readonly now: Denials;
}

export interface Rendered {
  readonly denials: Denials;
  /** What there was no room for. */
  readonly left: readonly EndedSession[];
  /** How many grants that live are denied too, at most: by a fence that was asked for. */
  readonly collateral: number;
}

/** What one exact name denies. */
interface Entry {
  readonly kind: 'grants' | 'sessions';
  readonly name: string;
  readonly sessions: readonly [EndedSession, ...EndedSession[]];
  readonly issuedBefore: number;
}

/** What is denied other than by name. */
interface Coarse {
  readonly identities: readonly Group<Entry>[];
  readonly roles: readonly Group<Entry>[];
  readonly fence?: Group<Entry>;
}

/**
 * The denials of what was ended, by what they touch beside it: each grant and session by its own name; where these have no room,
 * identities, then roles, then everything of ours, each only as it was issued before anything that lives of it; at
 * the very end, and only where that was asked for, everything that was issued before. What is left over is told.
 */
export function renderDenials(world: World): Rendered {
  const entries = entriesOf(world.ended);
  const coarse = fitting(world, entries);
  const denials = coarse
    ? denialsOf(coarse, rest(entries, coarse))
    : world.fence
      ? fenced(world, entries)
      : asMuchAsFits(world, entries);
  const denied = denying(denials);
  return {
    denials,
    left: entries.flatMap(({ sessions }) => sessions).filter((session) => !denied(session)),
    collateral: !coarse && denials.fence && world.all && world.all.since < denials.fence ? world.all.grants : 0,
  };
}

/** Whether each has room by its own name, so that nothing has to be known of what lives. */
export function fitsByName(ended: readonly EndedSession[], room: number): boolean {
  return sizeOf(NO_GROUPS, entriesOf(ended)) <= room;
}

/** The least coarse way that has room for all of these entries and touches nothing else. */
function fitting(world: World, entries: readonly Entry[]): Coarse | undefined {
  const fits = (coarse: Coarse) => sizeOf(coarse, entries) <= world.room;
  const withIdentities = (base: Coarse) => {
    const groups = identityGroups(world, rest(entries, base));
    return added(groups, (identities) => ({ ...base, identities }), fits);
  };
  const withRoles = (base: Coarse) =>
    added(roleGroups(world, rest(entries, base)), (roles) => ({ ...base, roles }), fits);
  const withFence = (base: Coarse) => {
    const [fence] = groupsOf(
      entries,
      () => '',
      () => latestFor(world.all, world.at),
    );
    return fence ? { ...base, fence } : base;
  };
  const levels = [
    () => NO_GROUPS,
    () => withIdentities(NO_GROUPS),
    () => withIdentities(withRoles(NO_GROUPS)),
    () => withIdentities(withFence(NO_GROUPS)),
  ];
  for (const level of levels) {
    const coarse = level();
    if (fits(coarse)) return coarse;
  }
  return undefined;
}

const NO_GROUPS: Coarse = { identities: [], roles: [] };

/** What was reported as ended stays, whatever else there is; the others come in as there is room. */
function asMuchAsFits(world: World, entries: readonly Entry[]): Denials {
  const must = entries.filter(({ sessions }) => sessions.some(({ confirmed }) => confirmed));
  let coarse = fitting(world, must) ?? NO_GROUPS;
  for (const identity of bySaving(identityGroups(world, rest(entries, coarse)))) {
    const more = { ...coarse, identities: [...coarse.identities, identity] };
    if (sizeOf(more, must) <= world.room) coarse = more;
  }
  return denialsOf(coarse, fill(world, coarse, byNeed(world, rest(entries, coarse))));
}

function entriesOf(ended: readonly EndedSession[]): readonly Entry[] {
  const found = new Map<string, [EndedSession, ...EndedSession[]]>();
  for (const session of ended) {
    if (session.grantGoesOn && session.shared) continue; // nothing denies it alone: it ends by itself, and soon
    const key = session.grantGoesOn ? `sessions ${session.name}` : `grants ${session.grant}`;
    const there = found.get(key);
    if (there) there.push(session);
    else found.set(key, [session]);
  }
  return [...found.values()].map((sessions): Entry => {
    const [{ grantGoesOn, name, grant }] = sessions;
    const issuedBefore = sessions.reduce((last, each) => Math.max(last, each.issuedBefore.getTime()), 0);
    return { kind: grantGoesOn ? 'sessions' : 'grants', name: grantGoesOn ? name : grant, sessions, issuedBefore };
  });
}

/** The latest instant that may be denied before: a margin ahead of all that lives and of all that comes. */
function latestFor(living: Living | undefined, at: Date): number {
  return Math.min(living?.since.getTime() ?? Infinity, at.getTime()) - CLOCKS_MS;
}

/** Entries by a name that they share, as far as they were issued early enough. */
function groupsOf(
  entries: readonly Entry[],
  nameOf: (session: EndedSession) => string | undefined,
  latestOf: (name: string) => number,
): readonly Group<Entry>[] {
  const found = new Map<string, { latest: number; earliest: number; covers: Entry[] }>();
  for (const entry of entries) {
    const name = nameOf(entry.sessions[0]);
    if (name === undefined) continue;
    const group = found.get(name) ?? { latest: latestOf(name), earliest: 0, covers: [] };
    found.set(name, group);
    const before = wholeSecondAfter(entry.issuedBefore + CLOCKS_MS);
    if (before > group.latest) continue;
    group.earliest = Math.max(group.earliest, before);
    group.covers.push(entry);
  }
  return [...found].flatMap(([name, group]) => (group.covers.length > 0 ? [{ name, ...group }] : []));
}

const wholeSecondAfter = (ms: number) => Math.ceil(ms / 1000) * 1000;

const identityGroups = ({ identities, at }: World, entries: readonly Entry[]) =>
  groupsOf(
    entries,
    ({ identity }) => identity,
    (name) => latestFor(identities.get(name), at),
  );

const roleGroups = ({ roles, at }: World, entries: readonly Entry[]) =>
  groupsOf(
    entries,
    ({ role }) => role,
    (name) => latestFor(roles.get(name), at),
  );

/** As many of the groups as it takes, those first that save most; all of them, where that is not enough. */
function added(
  groups: readonly Group<Entry>[],
  to: (chosen: readonly Group<Entry>[]) => Coarse,
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
function bySaving(groups: readonly Group<Entry>[]): readonly Group<Entry>[] {
  const saves = ({ name, covers }: Group<Entry>) => exactSize(covers) - (name.length + 3);
  const useful = groups.map((group) => ({ group, saves: saves(group) })).filter((each) => each.saves > 0);
  return useful
    .sort((a, b) => b.saves - a.saves)
    .slice(0, MOST_NAMES)
    .map(({ group }) => group);
}

/** The shortest identity has 18 characters. */
const MOST_NAMES = 300;

function rest(entries: readonly Entry[], { identities, roles, fence }: Coarse): readonly Entry[] {
  const covered = new Set([...identities, ...roles, ...(fence ? [fence] : [])].flatMap(({ covers }) => covers));
  return covered.size === 0 ? entries : entries.filter((entry) => !covered.has(entry));
}

function denialsOf({ identities, roles, fence }: Coarse, exact: readonly Entry[]): Denials {
  const names = (kind: Entry['kind']) => exact.filter((entry) => entry.kind === kind).map(({ name }) => name);
  return {
    grants: names('grants'),
    sessions: names('sessions'),
    identities: together(identities),
    roles: together(roles),
    fence: fence ? new Date(fence.earliest) : undefined,
  };
}

/** Characters of the statements of these denials, each with the comma before it. */
export function denialsSize(denials: Denials): number {
  return denialStatements(denials).reduce((sum, statement) => sum + JSON.stringify(statement).length + 1, 0);
}

function sizeOf(coarse: Coarse, entries: readonly Entry[]): number {
  const exact = rest(entries, coarse);
  const [grants, sessions] = (['grants', 'sessions'] as const).map((kind) =>
    exact.filter((each) => each.kind === kind),
  );
  // One of each kind stands for the statement around the names.
  const sample = [grants?.[0], sessions?.[0]].flatMap((entry) => (entry ? [entry] : []));
  return denialsSize(denialsOf(coarse, sample)) + exactSize(exact) - exactSize(sample);
}

/** Names in quotes, each with a comma. */
function exactSize(entries: readonly Entry[]): number {
  return entries.reduce((sum, { kind, name }) => sum + name.length + (kind === 'grants' ? 3 : 5), 0);
}

/** As many as there is room for, in this order. */
function fill({ room }: World, coarse: Coarse, order: readonly Entry[]): readonly Entry[] {
  const exact: Entry[] = [];
  const kinds = new Set<Entry['kind']>();
  let size = denialsSize(denialsOf(coarse, []));
  for (const entry of order) {
    // The first of a kind brings the statement around the names along.
    const more = kinds.has(entry.kind) ? exactSize([entry]) : denialsSize(denialsOf(NO_GROUPS, [entry]));
    if (size + more > room) continue;
    exact.push(entry);
    kinds.add(entry.kind);
    size += more;
  }
  return exact;
}

/** What was reported as ended stays, then what is denied now; then what would live longest. */
function byNeed({ now }: World, entries: readonly Entry[]): readonly Entry[] {
  const denied = denying(now);
  const rank = ({ sessions }: Entry) =>
    sessions.some(({ confirmed }) => confirmed) ? 0 : sessions.every(denied) ? 1 : 2;
  const end = ({ sessions }: Entry) => Math.max(...sessions.map(({ endsAt }) => endsAt.getTime()));
  const ranked = entries.map((entry) => ({ entry, rank: rank(entry), end: end(entry) }));
  return ranked.sort((a, b) => a.rank - b.rank || b.end - a.end).map(({ entry }) => entry);
}

/** The newest by name, as many as there is room for; what is older is denied by its time, and so is what lives and is older. */
function fenced(world: World, entries: readonly Entry[]): Denials {
  const newest = [...entries].sort((a, b) => b.issuedBefore - a.issuedBefore);
  const anything: Group<Entry> = { name: '', covers: [], earliest: 0, latest: 0 };
  const exact = fill(world, { ...NO_GROUPS, fence: anything }, newest);
  const byName = new Set(exact);
  const last = newest.find((entry) => !byName.has(entry))?.issuedBefore ?? 0;
  const until = Math.floor(world.at.getTime() / 1000) * 1000;
  return { ...denialsOf(NO_GROUPS, exact), fence: new Date(Math.min(wholeSecondAfter(last + CLOCKS_MS), until)) };
}
