import { createHash } from 'node:crypto';

/** RFC 6962 §2.1 word by word: slow, and written without any of what it is held against. */
const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

export const referenceLeaf = (leaf: Uint8Array) => sha256(Buffer.from([0]), leaf);

const half = (n: number) => 2 ** Math.ceil(Math.log2(n) - 1);

/** MTH. */
export function referenceRoot(leaves: readonly Uint8Array[]): Buffer {
  const [only] = leaves;
  if (!only) return sha256();
  if (leaves.length === 1) return referenceLeaf(only);
  const k = half(leaves.length);
  return sha256(Buffer.from([1]), referenceRoot(leaves.slice(0, k)), referenceRoot(leaves.slice(k)));
}

/** PATH. */
export function referencePath(m: number, leaves: readonly Uint8Array[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = half(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k
    ? [...referencePath(m, left), referenceRoot(right)]
    : [...referencePath(m - k, right), referenceRoot(left)];
}

/** SUBPROOF. */
export function referenceProof(m: number, leaves: readonly Uint8Array[], whole = true): Buffer[] {
  if (m === leaves.length) return whole ? [] : [referenceRoot(leaves)];
  const k = half(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m <= k
    ? [...referenceProof(m, left, whole), referenceRoot(right)]
    : [...referenceProof(m - k, right, false), referenceRoot(left)];
}
