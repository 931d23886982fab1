export interface Delays {
  propagationMs: number;
  readDelayMs: number;
}

export interface Clock {
  now(): Date;
  readonly delays: Delays;
}

/**
 * A value as IAM keeps one: what was written last is not what everybody sees. Writers see `latest`, authorization what is
 * `effective`, and IAM's own reads what is `readable` by now.
 */
export interface Eventual<T> {
  latest(): T;
  effective(): T;
  readable(): T;
  write(value: T): void;
  /** Counts everywhere at once. */
  replace(value: T): void;
}

export function makeEventual<T>(clock: Clock, initial: T): Eventual<T> {
  let writes: { value: T; effectiveAt: number; readableAt: number }[] = [];
  const replace = (value: T) => {
    writes = [{ value, effectiveAt: Number.NEGATIVE_INFINITY, readableAt: Number.NEGATIVE_INFINITY }];
  };
  const seen = (which: 'effectiveAt' | 'readableAt'): T => {
    const now = clock.now().getTime();
    const found = writes.findLast((write) => write[which] <= now);
    if (!found) throw new Error('a value without a beginning');
    return found.value;
  };
  replace(initial);
  return {
    latest: () => writes.at(-1)?.value ?? initial,
    effective: () => seen('effectiveAt'),
    readable: () => seen('readableAt'),
    write: (value) => {
      const at = clock.now().getTime();
      const { propagationMs, readDelayMs } = clock.delays;
      writes.push({ value, effectiveAt: at + propagationMs, readableAt: at + readDelayMs });
    },
    replace,
  };
}
