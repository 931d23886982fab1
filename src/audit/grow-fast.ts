import { hash } from 'node:crypto';
import { HASH_BYTES } from './merkle.ts';

/**
 * The same tree as in `tree.ts`, for millions of leaves in a row: hashes are strings of one byte a character, which cost the
 * engine a fraction of what as many small buffers do.
 */
export interface FastTree {
  /** Adds one event by its text; answers its hash. */
  readonly append: (body: string) => string;
  /** Adds one event by its hash. */
  readonly appendHash: (leaf: string) => void;
  /** Adds 2^level leaves by the root above them; false where they cannot stand there. */
  readonly appendSubtree: (level: number, root: Uint8Array) => boolean;
  readonly size: () => number;
  readonly root: () => Buffer;
  readonly frontier: () => Buffer[];
}

/** Latin-1, as `hash` calls it. */
const BINARY = 'binary';
const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** @param stored - where it is given, is filled with every hash that becomes complete, in the order in which they are stored. */
export function growFast(size: number, frontier: readonly Uint8Array[], stored?: Buffer): FastTree {
  const roots = frontier.map((root) => Buffer.from(root).toString(BINARY));
  let leaves = size;
  let written = 0;

  const store = (one: string) => {
    stored?.write(one, written, HASH_BYTES, BINARY);
    written += HASH_BYTES;
  };
  const appendHash = (leaf: string) => {
    let complete = leaf;
    store(complete);
    for (let left = leaves; left % 2 === 1; left = (left - 1) / 2) {
      complete = nodeOf(roots.pop() ?? '', complete);
      store(complete);
    }
    roots.push(complete);
    leaves++;
  };
  return {
    append(body) {
      const leaf = leafText(body);
      appendHash(leaf);
      return leaf;
    },
    appendHash,
    appendSubtree(level, root) {
      const width = 2 ** level;
      if (leaves % width !== 0) return false;
      let complete = Buffer.from(root).toString(BINARY);
      for (let left = leaves / width; left % 2 === 1; left = (left - 1) / 2)
        complete = nodeOf(roots.pop() ?? '', complete);
      roots.push(complete);
      leaves += width;
      return true;
    },
    size: () => leaves,
    root: () =>
      Buffer.from(
        roots.length === 0 ? hash('sha256', '', BINARY) : roots.reduceRight((right, left) => nodeOf(left, right)),
        BINARY,
      ),
    frontier: () => roots.map((root) => Buffer.from(root, BINARY)),
  };
}

/** The hash of a leaf in that form. */
export function leafText(body: string): string {
  return hash('sha256', `\u0000${body}`, BINARY);
}

function nodeOf(left: string, right: string): string {
  pair.write(left, 1, HASH_BYTES, BINARY);
  pair.write(right, 1 + HASH_BYTES, HASH_BYTES, BINARY);
  return hash('sha256', pair, BINARY);
}
