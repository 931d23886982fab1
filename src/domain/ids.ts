/**
 * Identifiers: a letter for the kind, then lower-case Crockford base32.
 *
 * A grant's id has 13 characters because it travels as a session tag in size-limited cloud policies
 * (a managed AWS policy holds about 350 of them). The others begin with the time, so that indexes grow at one end.
 */
declare const brand: unique symbol;
export type Id<Kind extends string> = string & { readonly [brand]: Kind };

export type GrantId = Id<'grant'>;
export type MintId = Id<'mint'>;
export type TaskId = Id<'task'>;
export type DecisionId = Id<'decision'>;
export type OrderId = Id<'order'>;
export type ApprovalId = Id<'approval'>;
export type ExceptionId = Id<'exception'>;
export type HoldId = Id<'hold'>;
export type ArchiveId = Id<'archive'>;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 9; // 45 bits of milliseconds: until the year 3084
const RANDOM_CHARS = 12; // 60 bits
const PIECES_BYTES = 1_200;

export interface Ids {
  grant(): GrantId;
  mint(): MintId;
  task(): TaskId;
  decision(): DecisionId;
  order(): OrderId;
  approval(): ApprovalId;
  exception(): ExceptionId;
  hold(): HoldId;
  archive(): ArchiveId;
}

/** Ids from a source of random bytes and a clock in milliseconds. */
export function makeIds(random: (bytes: number) => Uint8Array, nowMs: () => number): Ids {
  const chars = () => {
    let text = '';
    for (const byte of random(RANDOM_CHARS)) text += ALPHABET.charAt(byte & 31);
    return text;
  };
  const timed = (letter: string) => letter + base32(nowMs()) + chars();
  return {
    grant: () => ('g' + chars()) as GrantId,
    mint: () => timed('m') as MintId,
    task: () => timed('t') as TaskId,
    decision: () => timed('d') as DecisionId,
    order: () => timed('o') as OrderId,
    approval: () => timed('a') as ApprovalId,
    exception: () => timed('x') as ExceptionId,
    hold: () => timed('h') as HoldId,
    archive: () => timed('v') as ArchiveId,
  };
}

/** A source that hands out pieces of larger ones, each byte once: asking the system for a few at a time costs more than the id. */
export function inPieces(random: (bytes: number) => Uint8Array): (bytes: number) => Uint8Array {
  let rest: Uint8Array = new Uint8Array(0);
  return (bytes) => {
    if (rest.length < bytes) rest = random(Math.max(PIECES_BYTES, bytes));
    const piece = rest.subarray(0, bytes);
    rest = rest.subarray(bytes);
    return piece;
  };
}

function base32(ms: number): string {
  let text = '';
  let rest = ms;
  for (let i = 0; i < TIME_CHARS; i++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

const PATTERNS = {
  grant: /^g[0-9a-hjkmnp-tv-z]{12}$/,
  mint: /^m[0-9a-hjkmnp-tv-z]{21}$/,
  task: /^t[0-9a-hjkmnp-tv-z]{21}$/,
  decision: /^d[0-9a-hjkmnp-tv-z]{21}$/,
  order: /^o[0-9a-hjkmnp-tv-z]{21}$/,
  approval: /^a[0-9a-hjkmnp-tv-z]{21}$/,
  exception: /^x[0-9a-hjkmnp-tv-z]{21}$/,
  hold: /^h[0-9a-hjkmnp-tv-z]{21}$/,
} as const;

/** Reads an id that came from outside; `undefined` when it cannot be one of that kind. */
export function parseId<Kind extends keyof typeof PATTERNS>(kind: Kind, text: string): Id<Kind> | undefined {
  return PATTERNS[kind].test(text) ? (text as Id<Kind>) : undefined;
}
