import { EMPTY_ROOT, foldRight, nodeHash } from './merkle.ts';

/** A tree that leaves are added to, of which only the roots of its perfect subtrees are kept. */
export interface GrowingTree {
  readonly size: () => number;
  /** Adds one leaf by its hash. Each hash that is now complete is told, in the order in which it is stored (`stored.ts`). */
  readonly append: (leaf: Uint8Array) => void;
  /** The root of all leaves so far. */
  readonly root: () => Uint8Array;
  /** The roots of the largest perfect subtrees, from left to right: what it takes to go on from here. */
  readonly frontier: () => readonly Uint8Array[];
}

/** @param frontier - of a tree of `size` leaves; `subtreesOf(0, size)` says which hashes these are. */
export function growFrom(
  size: number,
  frontier: readonly Uint8Array[],
  onStored: (hash: Uint8Array) => void = () => undefined,
): GrowingTree {
  let leaves = size;
  const roots = [...frontier];
  return {
    size: () => leaves,
    append(leaf) {
      onStored(leaf);
      let complete = leaf;
      for (let left = leaves; left % 2 === 1; left = Math.floor(left / 2)) {
        const sibling = roots.pop();
        if (!sibling) throw new RangeError('the frontier does not belong to a tree of this size');
        complete = nodeHash(sibling, complete);
        onStored(complete);
      }
      roots.push(complete);
      leaves++;
    },
    root: () => (roots.length === 0 ? EMPTY_ROOT : foldRight(roots)),
    frontier: () => roots,
  };
}
