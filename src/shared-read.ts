/**
 * One read for all who ask while it is under way, or within `keptMs` of its end; what failed is read again. For what may be asked by
 * anybody, as often as they like.
 */
export function sharedRead<T>(read: () => Promise<T>, keptMs: number, nowMs: () => number): () => Promise<T> {
  let last: { readonly value: Promise<T>; endedAt?: number } | undefined;
  return () => {
    if (last && (last.endedAt === undefined || Math.abs(nowMs() - last.endedAt) < keptMs)) return last.value;
    const asked: { readonly value: Promise<T>; endedAt?: number } = { value: read() };
    last = asked;
    asked.value.then(
      () => (asked.endedAt = nowMs()),
      () => (last = last === asked ? undefined : last),
    );
    return asked.value;
  };
}
