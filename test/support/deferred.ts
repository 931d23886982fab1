export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

/** A promise that is resolved from outside; `Promise.withResolvers` of Node 22. */
export function deferred<T>(): Deferred<T> {
  let resolve = (_: T): void => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
