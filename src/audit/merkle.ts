import { hash } from 'node:crypto';

/**
 * The hashes of RFC 6962 §2.1 with SHA-256. A leaf is the text of one event, an inner node two hashes; the byte in front
 * keeps one from passing as the other.
 */
export const HASH_BYTES = 32;

export const EMPTY_ROOT: Buffer = hash('sha256', '', 'buffer');

/** Of an event's body: its bytes in UTF-8, as they are stored. */
export function leafHash(body: string): Buffer {
  return hash('sha256', `\u0000${body}`, 'buffer');
}

const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return hash('sha256', pair, 'buffer');
}

/** Of the hashes of perfect subtrees from left to right, their sizes falling: the root above them. */
export function foldRight(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.reduceRight((below, left) => nodeHash(left, below));
}
