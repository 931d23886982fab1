/**
 * Time is an argument. Times that decide are the database's (CORRECTNESS, Everywhere): a `Clock` gives this process's
 * reading corrected by its measured offset to the database, and says how large that offset is.
 */
export interface Clock {
  /** Now, in the database's time. */
  now(): Date;
  /** Milliseconds that the process's own clock is ahead of the database's; above 2,000 either way it is not ready. */
  offsetMs(): number;
}

export const MAX_CLOCK_OFFSET_MS = 2_000;

/** Clocks of those who tell times of theirs, such as when a token was issued, run ahead: by so much it is granted. */
export const OTHERS_AHEAD_MS = 5_000;
