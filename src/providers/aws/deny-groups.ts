import type { Before } from './denials.ts';

/** What one name denies other than by itself: what of it was issued before an instant between these two, in milliseconds. */
export interface Group<Entry> {
  readonly name: string;
  readonly covers: readonly Entry[];
  /** Earlier, and it would not cover all of these. */
  readonly earliest: number;
  /** Later, and it would touch what lives. */
  readonly latest: number;
}

/** As few statements as the instants allow; each is as early as its names allow. */
export function together(groups: readonly Group<unknown>[]): readonly Before[] {
  const open: Group<unknown>[][] = [];
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
