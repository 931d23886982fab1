/** A token bucket for each key: `capacity` at once, `perSecond` back. Time is an argument; past `MAX_KEYS` the longest unused is forgotten. */
export interface Buckets {
  /** Takes one; false when there is none left. */
  take(key: string, nowMs: number): boolean;
  /** Whether there is one left, without taking it. */
  has(key: string, nowMs: number): boolean;
}

const MAX_KEYS = 50_000;

export function makeBuckets({
  capacity,
  perSecond,
}: {
  readonly capacity: number;
  readonly perSecond: number;
}): Buckets {
  const buckets = new Map<string, { level: number; at: number }>();

  function filled(key: string, nowMs: number): { level: number; at: number } {
    const bucket = buckets.get(key) ?? { level: capacity, at: nowMs };
    bucket.level = Math.min(capacity, bucket.level + (Math.max(0, nowMs - bucket.at) / 1000) * perSecond);
    bucket.at = nowMs;
    return bucket;
  }

  /** When all keys are in use at once the longest unused goes: a flood of sources must not fill the memory. */
  function remember(key: string, bucket: { level: number; at: number }): void {
    buckets.delete(key);
    buckets.set(key, bucket);
    if (buckets.size <= MAX_KEYS) return;
    const oldest = buckets.keys().next();
    if (!oldest.done) buckets.delete(oldest.value);
  }

  return {
    take(key, nowMs) {
      const bucket = filled(key, nowMs);
      const there = bucket.level >= 1;
      if (there) bucket.level -= 1;
      remember(key, bucket);
      return there;
    },
    has: (key, nowMs) => filled(key, nowMs).level >= 1,
  };
}
