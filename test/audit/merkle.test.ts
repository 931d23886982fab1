import { leafHash } from '../../src/audit/merkle.ts';
import { includes, isExtension, makeProver, rootOfRange } from '../../src/audit/proofs.ts';
import type { Prover } from '../../src/audit/proofs.ts';
import { storedAt, storedCount, subtreesOf } from '../../src/audit/stored.ts';
import { growFrom } from '../../src/audit/tree.ts';
import { referenceLeaf, referencePath, referenceProof, referenceRoot } from './reference.ts';

const MAX = 70;
const texts = Array.from({ length: MAX }, (_, n) => `{"seq":${n},"what":"ü😀"}`);
const leaves = texts.map((text) => Buffer.from(text));
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');
const hexes = (list: readonly Uint8Array[]) => list.map(hex);

/** A log of so many leaves: its stored hashes, and a prover over them. */
function logOf(size: number): { prover: Prover; root: Uint8Array; reads: () => number } {
  const stored: Uint8Array[] = [];
  let reads = 0;
  const tree = growFrom(0, [], (hash) => stored.push(hash));
  for (const text of texts.slice(0, size)) tree.append(leafHash(text));
  expect(stored).toHaveLength(storedCount(size));
  const prover = makeProver(async (positions) => {
    reads += positions.length;
    return positions.map((at) => stored[at] ?? fail(at));
  });
  return { prover, root: tree.root(), reads: () => reads };
}

function fail(at: number): never {
  throw new Error(`position ${at} is not stored`);
}

const whole = logOf(MAX);
const roots = Array.from({ length: MAX + 1 }, (_, size) => referenceRoot(leaves.slice(0, size)));
const rootAt = (size: number) => roots[size] ?? fail(size);

/** The vectors that implementations of RFC 6962 are commonly held against. */
test('known roots', () => {
  const vectors = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const tree = growFrom(0, []);
  const found = vectors.map((vector) => {
    tree.append(referenceLeaf(Buffer.from(vector, 'hex')));
    return hex(tree.root());
  });
  expect(found).toEqual([
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]);
});

test('a leaf is hashed as its bytes in UTF-8', () => {
  expect(texts.map((text) => hex(leafHash(text)))).toEqual(leaves.map((leaf) => hex(referenceLeaf(leaf))));
});

test('each size has the root of the standard, grown at once or from any size on', async () => {
  for (let size = 0; size <= MAX; size++) {
    expect(hex(await whole.prover.root(size))).toBe(hex(rootAt(size)));
    const tree = growFrom(size, await whole.prover.frontier(size));
    for (let at = size; at < MAX; at++) {
      expect(hex(tree.root())).toBe(hex(rootAt(at)));
      tree.append(leafHash(texts[at] ?? ''));
    }
    expect(hex(tree.root())).toBe(hex(rootAt(MAX)));
  }
});

test('a frontier of another size is noticed', () => {
  expect(() => growFrom(3, []).append(leafHash(''))).toThrow(RangeError);
});

test('inclusion: the path of the standard, for every leaf at every size, and it proves that leaf alone', async () => {
  for (let size = 1; size <= MAX; size += 3) {
    for (let leaf = 0; leaf < size; leaf++) {
      const path = await whole.prover.inclusion(leaf, size);
      expect(hexes(path)).toEqual(hexes(referencePath(leaf, leaves.slice(0, size))));
      const tree = { size, root: rootAt(size) };
      const hash = leafHash(texts[leaf] ?? '');
      expect(includes(tree, leaf, hash, path)).toBe(true);
      expect(includes(tree, leaf, leafHash('another'), path)).toBe(false);
      expect(includes(tree, (leaf + 1) % size, hash, path)).toBe(size === 1);
      expect(includes(tree, size, hash, path)).toBe(false);
      expect(includes({ size, root: rootAt(size - 1) }, leaf, hash, path)).toBe(false);
      expect(includes(tree, leaf, hash, [...path, hash])).toBe(false);
      if (path.length > 0) expect(includes(tree, leaf, hash, path.slice(1))).toBe(false);
    }
  }
});

test('consistency: the proof of the standard, for every two sizes, and it proves these two alone', async () => {
  for (let size = 1; size <= MAX; size += 3) {
    for (let old = 0; old <= size; old++) {
      const path = await whole.prover.consistency(old, size);
      expect(hexes(path)).toEqual(old === 0 ? [] : hexes(referenceProof(old, leaves.slice(0, size))));
      const [before, after] = [
        { size: old, root: rootAt(old) },
        { size, root: rootAt(size) },
      ];
      expect(isExtension(before, after, path)).toBe(true);
      const forged = { ...before, root: leafHash('another') };
      expect(isExtension(forged, after, path)).toBe(false);
      expect(isExtension(before, { ...after, root: leafHash('another') }, path)).toBe(old === 0);
      expect(isExtension(before, after, [...path, forged.root])).toBe(false);
      if (old < size) expect(isExtension(after, before, path)).toBe(false);
      if (path.length > 0) {
        expect(isExtension(before, after, path.slice(1))).toBe(false);
        expect(isExtension(before, after, [forged.root, ...path.slice(1)])).toBe(false);
      }
    }
  }
});

test('a range: its leaves, with what lies beside them, give the root of the whole', async () => {
  for (const size of [1, 2, 7, 8, 33, 64, MAX]) {
    for (let first = 0; first <= size; first++) {
      for (let end = first; end <= size; end += 1 + Math.floor(first / 4)) {
        const { left, right } = await whole.prover.range({ first, end }, size);
        const tree = growFrom(first, left);
        for (const text of texts.slice(first, end)) tree.append(leafHash(text));
        expect(hex(rootOfRange(tree.frontier(), end, right, size))).toBe(hex(rootAt(size)));
        expect(rootOfRange(tree.frontier(), end, [...right, leafHash('')], size)).toBeUndefined();
      }
    }
  }
});

test('a proof reads a number of hashes that grows with the logarithm', async () => {
  const { prover, reads } = logOf(MAX);
  const before = reads();
  await prover.inclusion(5, MAX);
  await prover.consistency(23, MAX);
  expect(reads() - before).toBeLessThan(4 * Math.ceil(Math.log2(MAX)));
});

test('positions are those in which hashes are told, also beyond 32 bits', () => {
  const told: string[] = [];
  let at = 0;
  for (let leaf = 0; leaf < 64; leaf++) {
    for (let level = 0; (leaf + 1) % 2 ** level === 0 && 2 ** level <= 64; level++) {
      told.push(`${at++} ${storedAt({ level, index: (leaf + 1) / 2 ** level - 1 })}`);
    }
  }
  expect(told.every((line) => line.split(' ')[0] === line.split(' ')[1])).toBe(true);
  const huge = 2 ** 40 + 5;
  expect(storedCount(huge)).toBe(2 * huge - 3);
  expect(subtreesOf(0, huge)).toEqual([
    { level: 40, index: 0 },
    { level: 2, index: 2 ** 38 },
    { level: 0, index: 2 ** 40 + 4 },
  ]);
});
