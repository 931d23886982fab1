import { hash } from 'node:crypto';
import type { Verified } from './attester.ts';

/** The value of a token that was verified before and still counts, or else what `verify` makes of it. */
export type Memory<T> = (raw: string, now: Date, verify: () => Promise<Verified<T>>) => Promise<T>;

/**
 * Remembers up to `max` verified tokens, the least recently used go first. The key is the SHA-256 of the whole text:
 * nothing is verified that has a second spelling (token.ts), and no token stays in memory. What is refused is not kept.
 * The same token at the same time is verified once.
 */
export function makeMemory<T>(max: number): Memory<T> {
  const kept = new Map<string, Verified<T>>();
  const underWay = new Map<string, Promise<Verified<T>>>();

  function remember(digest: string, verified: Verified<T>): void {
    kept.set(digest, verified);
    const oldest = kept.size > max ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
  }

  async function verifyOnce(digest: string, verify: () => Promise<Verified<T>>): Promise<T> {
    const running = underWay.get(digest) ?? verify().finally(() => underWay.delete(digest));
    underWay.set(digest, running);
    const verified = await running;
    remember(digest, verified);
    return verified.value;
  }

  return async (raw, now, verify) => {
    const digest = hash('sha256', raw, 'base64');
    const known = kept.get(digest);
    if (!known) return verifyOnce(digest, verify);
    kept.delete(digest);
    const value = known.recall(now);
    if (value === undefined) return verifyOnce(digest, verify);
    kept.set(digest, known);
    return value;
  };
}
