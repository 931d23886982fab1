import { denialsSize, entriesOf, exactSize, type EndedSession, type Entry, type Living } from './deny-entries.ts';
import {
  added,
  bySaving,
  denialsOf,
  groupsOf,
  latestFor,
  NO_GROUPS,
  rest,
  sizeOf,
  wholeSecondAfter,
  type Coarse,
  type Group,
} from './deny-groups.ts';
import { CLOCKS_MS, denying, type Denials } from './denials.ts';

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
  const anything: Group = { name: '', covers: [], earliest: 0, latest: 0 };
  const exact = fill(world, { ...NO_GROUPS, fence: anything }, newest);
  const byName = new Set(exact);
  const last = newest.find((entry) => !byName.has(entry))?.issuedBefore ?? 0;
  const until = Math.floor(world.at.getTime() / 1000) * 1000;
  return { ...denialsOf(NO_GROUPS, exact), fence: new Date(Math.min(wholeSecondAfter(last + CLOCKS_MS), until)) };
}
