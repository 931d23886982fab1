import { within } from './domain/deadline.ts';

export interface Sharing {
  /** For so long what was read is said again. */
  readonly keptMs: number;
  /** After so long it has failed for all who ask, whatever becomes of it. */
  readonly mostMs: number;
  readonly nowMs: () => number;
}

/**
 * One read for all who ask while it is under way, or within `keptMs` of its end; what failed is read again. For what may be asked by
 * anybody, as often as they like.
 */
export function sharedRead<T>(read: () => Promise<T>, { keptMs, mostMs, nowMs }: Sharing): () => Promise<T> {
  let last: { readonly value: Promise<T>; endedAt?: number } | undefined;
  const late = (): never => {
    throw new Error(`no answer within ${mostMs} ms`);
  };
  return () => {
    if (last && (last.endedAt === undefined || Math.abs(nowMs() - last.endedAt) < keptMs)) return last.value;
    const asked: { readonly value: Promise<T>; endedAt?: number } = { value: within(mostMs, read(), late) };
    last = asked;
    asked.value.then(
      () => (asked.endedAt = nowMs()),
      () => (last = last === asked ? undefined : last),
    );
    return asked.value;
  };
}
