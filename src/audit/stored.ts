/**
 * Where the hashes of a growing tree lie when they are written down one after the other: each leaf's hash, then those of the
 * perfect subtrees that it completes, smallest first. Nothing is ever written again, so a log of hashes may only be added to.
 * Sizes and positions go beyond 32 bits: no bit operators here.
 */
export interface Subtree {
  /** Its height: it has 2^level leaves. */
  readonly level: number;
  /** The how manieth of its height, from 0. */
  readonly index: number;
}

/** How many hashes are written for a tree of so many leaves. */
export function storedCount(size: number): number {
  return 2 * size - ones(size);
}

/** The position of a perfect subtree's hash. */
export function storedAt({ level, index }: Subtree): number {
  return storedCount((index + 1) * 2 ** level - 1) + level;
}

/** The largest perfect subtrees that make up the leaves from `first` up to `end`, from left to right. */
export function subtreesOf(first: number, end: number): Subtree[] {
  const found: Subtree[] = [];
  for (let at = first; at < end;) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level++;
    found.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return found;
}

/** The largest power of two below `n`, which is 2 or more. */
export function splitOf(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

function ones(n: number): number {
  let count = 0;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
