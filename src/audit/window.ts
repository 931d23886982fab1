import type { Grown, Window } from './check-log.ts';
import type { EventRow } from './event.ts';
import type { Findings } from './findings.ts';
import { EMPTY_ROOT, HASH_BYTES, leafHash, nodeHash } from './merkle.ts';
import { spanOf } from './mismatches.ts';
import type { Mismatches } from './mismatches.ts';
import { same } from './proofs.ts';
import { storedAt, storedCount } from './stored.ts';
import { growFrom } from './tree.ts';

const MISSING = Buffer.alloc(HASH_BYTES);

/**
 * A part of the log in which something does not fit: finds what, leaf by leaf, and grows the tree on with what was sealed, so that
 * the rest can still be judged.
 */
export function repairWindow(window: Window, mismatches: Mismatches, findings: Findings): Grown {
  const { first, end, frontier, rows, stored, sizes, isUnseen } = window;
  const offset = storedCount(first);
  const hashAt = (position: number): Uint8Array | undefined => {
    const bytes = stored.subarray((position - offset) * HASH_BYTES, (position - offset + 1) * HASH_BYTES);
    return same(bytes, MISSING) ? undefined : bytes;
  };
  const there = new Map<number, { seq: string; hash: Uint8Array }[]>();
  for (const row of rows) add(there, row);

  const sealedAt = (leaf: number) => hashAt(storedAt({ level: 0, index: leaf }));
  /** Whether this hash, beside one of those of its sibling, leads to what is stored above the two. */
  const fitsAbove = (leaf: number, hash: Uint8Array): boolean => {
    const above = hashAt(storedAt({ level: 1, index: Math.floor(leaf / 2) }));
    const sibling = leaf % 2 === 0 ? leaf + 1 : leaf - 1;
    if (!above || sibling >= end) return false;
    const beside = [sealedAt(sibling), ...(there.get(sibling) ?? []).map((one) => one.hash)];
    return beside.some((other) => other && same(leaf % 2 === 0 ? nodeHash(hash, other) : nodeHash(other, hash), above));
  };

  let inner = 0;
  const altered: number[] = [];
  const gone: number[] = [];
  let emitted = 0;
  const tree = growFrom(first, frontier, (hash) => {
    const expected = hashAt(offset + inner++);
    if (emitted++ > 0 && expected && !same(hash, expected)) altered.push(tree.size());
  });
  const roots: [number, Uint8Array][] = [];
  for (let leaf = first; leaf < end; leaf++) {
    const sealed = sealedAt(leaf);
    const here = there.get(leaf) ?? [];
    const right = here.find(({ hash }) => sealed && same(hash, sealed));
    const own = here[0];
    let chosen = sealed ?? own?.hash ?? EMPTY_ROOT;
    if (!right && own && (!sealed || (!fitsAbove(leaf, sealed) && fitsAbove(leaf, own.hash)))) {
      if (sealed) findings.add('hashes_altered', `leaf ${leaf}`, 'its stored hash was changed; its event was not');
      else gone.push(leaf);
      chosen = own.hash;
      mismatches.note(leaf, undefined, here.slice(1));
    } else if (here.length === 0 && isUnseen(leaf)) {
      if (!sealed) gone.push(leaf);
    } else if (!right || here.length > 1) {
      mismatches.note(
        leaf,
        right ? undefined : sealed,
        here.filter((one) => one !== right),
      );
    }
    emitted = 0;
    tree.append(chosen);
    if (tree.size() === sizes[roots.length]) roots.push([tree.size(), tree.root()]);
  }
  const [from] = altered;
  if (from !== undefined) {
    const message = `${altered.length} stored hashes above leaves from ${from} on do not follow from those below them`;
    findings.add('hashes_altered', `leaf ${from}`, message);
  }
  for (const [from, to] of runsOf(gone)) {
    findings.add('hashes_altered', spanOf(from, to), 'what was stored of them is gone');
  }
  return { frontier: [...tree.frontier()], roots };
}

function add(there: Map<number, { seq: string; hash: Uint8Array }[]>, { leaf, seq, body }: EventRow): void {
  if (leaf === null) return;
  const one = { seq, hash: leafHash(body) };
  const list = there.get(leaf);
  if (list) list.push(one);
  else there.set(leaf, [one]);
}

/** Neighbours as one. */
function runsOf(leaves: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (const leaf of leaves) {
    const run = runs.at(-1);
    if (run && run[1] === leaf - 1) run[1] = leaf;
    else runs.push([leaf, leaf]);
  }
  return runs;
}
