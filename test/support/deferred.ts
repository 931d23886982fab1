export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

/** A promise that is resolved from outside; `Promise.withResolvers` of Node 22. */
export function deferred<T>(): Deferred<T> {
  const settlers: ((value: T) => void)[] = [];
  const promise = new Promise<T>((resolve) => settlers.push(resolve));
  return { promise, resolve: (value) => settlers.forEach((settle) => settle(value)) };
}
