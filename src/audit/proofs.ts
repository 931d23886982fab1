import { EMPTY_ROOT, foldRight, nodeHash } from './merkle.ts';
import { splitOf, storedAt, subtreesOf } from './stored.ts';
import { LogDamaged } from './store.ts';
import type { Subtree } from './stored.ts';

/** Inclusion and consistency as in RFC 6962 §2.1.1 and §2.1.2, and the proof of a range of leaves. Hashes are innermost first. */
export type Hashes = readonly Uint8Array[];

/** Leaves from `first` up to, not including, `end`. */
export interface Range {
  readonly first: number;
  readonly end: number;
}

/** Reads stored hashes by their positions; fewer than were asked for where one is missing. */
export type ReadStored = (positions: readonly number[]) => Promise<readonly Uint8Array[]>;

/** What is beside a range: enough to compute the whole tree's root from its leaves. */
export interface RangeProof {
  /** Of the perfect subtrees before it, and behind it, from left to right. */
  readonly left: Hashes;
  readonly right: Hashes;
}

/** Makes proofs about any size up to the log's. Each takes one read of O(log n) hashes. @throws LogDamaged */
export function makeProver(read: ReadStored) {
  async function rootsOf(ranges: readonly Range[]): Promise<Uint8Array[]> {
    const parts = ranges.map(({ first, end }) => subtreesOf(first, end));
    const hashes = await readAll(parts.flat());
    let at = 0;
    return parts.map((subtrees) => {
      const own = hashes.slice(at, (at += subtrees.length));
      return own.length === 0 ? EMPTY_ROOT : foldRight(own);
    });
  }

  async function readAll(subtrees: readonly Subtree[]): Promise<readonly Uint8Array[]> {
    const hashes = subtrees.length === 0 ? [] : await read(subtrees.map(storedAt));
    if (hashes.length !== subtrees.length) throw new LogDamaged('hashes_damaged', 'a stored hash is missing');
    return hashes;
  }

  return {
    /** The roots of the largest perfect subtrees of a tree of that size. */
    frontier: (size: number): Promise<Hashes> => readAll(subtreesOf(0, size)),
    root: async (size: number): Promise<Uint8Array> => (await rootsOf([{ first: 0, end: size }]))[0] ?? EMPTY_ROOT,
    /** The roots of the largest perfect subtrees above some leaves. */
    span: ({ first, end }: Range): Promise<Hashes> => readAll(subtreesOf(first, end)),
    leaf: async (leaf: number): Promise<Uint8Array> => (await readAll([{ level: 0, index: leaf }]))[0] ?? EMPTY_ROOT,
    inclusion: (leaf: number, size: number): Promise<Hashes> => rootsOf(besides(leaf, size).map(({ range }) => range)),
    consistency: (old: number, size: number): Promise<Hashes> => rootsOf(between(old, size)),
    async range({ first, end }: Range, size: number): Promise<RangeProof> {
      const [left, right] = [subtreesOf(0, first), subtreesOf(end, size)];
      const hashes = await readAll([...left, ...right]);
      return { left: hashes.slice(0, left.length), right: hashes.slice(left.length) };
    },
  };
}
export type Prover = ReturnType<typeof makeProver>;

/** Whether the leaf with this hash is at that place of the tree that has this root. */
export function includes(
  tree: { readonly size: number; readonly root: Uint8Array },
  leaf: number,
  hash: Uint8Array,
  path: Hashes,
): boolean {
  if (!(leaf >= 0 && leaf < tree.size)) return false;
  const siblings = besides(leaf, tree.size);
  if (siblings.length !== path.length) return false;
  const root = path.reduce(
    (below, sibling, at) => (siblings[at]?.isLeft ? nodeHash(sibling, below) : nodeHash(below, sibling)),
    hash,
  );
  return same(root, tree.root);
}

/** Whether the tree with root `newRoot` begins with all leaves of the one with `oldRoot`, in their order. */
export function isExtension(
  old: { readonly size: number; readonly root: Uint8Array },
  now: { readonly size: number; readonly root: Uint8Array },
  path: Hashes,
): boolean {
  if (old.size > now.size) return false;
  if (old.size === 0) return path.length === 0 && same(old.root, EMPTY_ROOT);
  const left = [...path].reverse();
  const next = () => left.pop() ?? EMPTY_ROOT;
  // the hashes of what the old and the new tree have of the leaves from `first` up to `end`
  const walk = (first: number, end: number, isOld: boolean): readonly [Uint8Array, Uint8Array] => {
    if (old.size === end) {
      const whole = isOld ? old.root : next();
      return [whole, whole];
    }
    const middle = first + splitOf(end - first);
    if (old.size <= middle) {
      const [before, after] = walk(first, middle, isOld);
      return [before, nodeHash(after, next())];
    }
    const [before, after] = walk(middle, end, false);
    const sibling = next();
    return [nodeHash(sibling, before), nodeHash(sibling, after)];
  };
  if (path.length !== between(old.size, now.size).length) return false;
  const [before, after] = walk(0, now.size, true);
  return same(before, old.root) && same(after, now.root);
}

/** The root of the whole tree of `size` from the roots before a range, its leaves' own frontier, and those behind it. */
export function rootOfRange(frontier: Hashes, end: number, right: Hashes, size: number): Uint8Array | undefined {
  const behind = subtreesOf(end, size);
  const roots = subtreesOf(0, end).map((subtree, at) => ({ subtree, hash: frontier[at] ?? EMPTY_ROOT }));
  if (frontier.length !== roots.length || right.length !== behind.length) return undefined;
  for (const [at, subtree] of behind.entries()) {
    let [top, hash] = [subtree, right[at] ?? EMPTY_ROOT];
    for (let last = roots.at(-1); last && isSibling(last.subtree, top); last = roots.at(-1)) {
      hash = nodeHash(last.hash, hash);
      top = { level: top.level + 1, index: (top.index - 1) / 2 };
      roots.pop();
    }
    roots.push({ subtree: top, hash });
  }
  return roots.length === 0 ? EMPTY_ROOT : foldRight(roots.map(({ hash }) => hash));
}

function isSibling(left: Subtree, right: Subtree): boolean {
  return left.level === right.level && right.index % 2 === 1 && left.index === right.index - 1;
}

/** What lies beside the way from a leaf up to the root, innermost first. */
function besides(leaf: number, size: number): { readonly range: Range; readonly isLeft: boolean }[] {
  const found: { range: Range; isLeft: boolean }[] = [];
  let [first, end] = [0, size];
  while (end - first > 1) {
    const middle = first + splitOf(end - first);
    if (leaf < middle) {
      found.push({ range: { first: middle, end }, isLeft: false });
      end = middle;
    } else {
      found.push({ range: { first, end: middle }, isLeft: true });
      first = middle;
    }
  }
  return found.reverse();
}

/** What a tree of `size` has beside, and above, the tree of `old`, innermost first. */
function between(old: number, size: number): Range[] {
  const found: Range[] = [];
  if (old === 0 || old > size) return found;
  let [first, end, isOld] = [0, size, true];
  while (old !== end) {
    const middle = first + splitOf(end - first);
    if (old <= middle) {
      found.push({ first: middle, end });
      end = middle;
    } else {
      found.push({ first, end: middle });
      [first, isOld] = [middle, false];
    }
  }
  if (!isOld) found.push({ first, end });
  return found.reverse();
}

export function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
