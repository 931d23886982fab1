/** Leaves from `first` up to, not including, `end`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

/** A month that was put away, as the ledger has it on record. */
export interface ArchivedMonth {
  /** Such as `2026-11`. */
  readonly month: string;
  readonly events: number;
  /** Of the file that its events were written to. */
  readonly sha256: string;
  /** Rising. */
  readonly ranges: readonly Span[];
  /** That it was put away is said by an event that was put away since. */
  readonly isEventAway?: true;
}

/** Whether its archive is there to be looked at. */
export interface LookedMonth extends ArchivedMonth {
  readonly given: boolean;
}

/** Times of a row and of its event differ by less. */
const MARGIN_MS = 60_000;

/**
 * What cannot be looked at, because it was put away and its archive was not given: which leaves have no text, and which rows rest on
 * events that are not there.
 */
export function makeUnseen(all: readonly LookedMonth[]) {
  const months = all.filter(({ given }) => !given);
  const leaves = months.flatMap(({ ranges }) => ranges).sort((one, other) => one.first - other.first);
  const spans = months.map(({ month }) => spanOfMonth(month)).sort((one, other) => (one.from < other.from ? -1 : 1));
  let at = 0;
  return {
    /** Asked of rising leaves, over and over: from the beginning again where they fall. */
    has(leaf: number): boolean {
      if (leaf < (leaves[at - 1]?.end ?? 0)) at = 0;
      while ((leaves[at]?.end ?? Infinity) <= leaf) at++;
      return leaf >= (leaves[at]?.first ?? Infinity);
    },

    /** Months that were put away and whose events cannot be seen. */
    untold: all.filter(({ isEventAway }) => isEventAway).map(({ month }) => month),

    /** Times whose rows may rest on such events, for the database. */
    times: `{${spans.map(({ from, to }) => `[${from},${to})`).join(',')}}`,

    /** Whether rows of that time may rest on such events; `edge`: so near that a row and its event may fall on different sides. */
    zoneOf(time: string): 'in' | 'out' | 'edge' {
      for (const { from, to } of spans) {
        if (near(time, from) || near(time, to)) return 'edge';
        if (time >= from && time < to) return 'in';
      }
      return 'out';
    },
  };
}
export type Unseen = ReturnType<typeof makeUnseen>;

export function isMonth(text: string): boolean {
  return /^\d{4}-(?:0[1-9]|1[0-2])$/.test(text);
}

/** With a margin on either side: a row and its event may not be of the same second. */
export function spanOfMonth(month: string): { readonly from: string; readonly to: string } {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return { from: instant(Date.UTC(year, number - 1) - MARGIN_MS), to: instant(Date.UTC(year, number) + MARGIN_MS) };
}

export function endOfMonth(month: string): string {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return instant(Date.UTC(year, number));
}

/** As events have times: six digits. */
function instant(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

function near(time: string, edge: string): boolean {
  return Math.abs(Date.parse(time) - Date.parse(edge)) < MARGIN_MS / 2;
}
