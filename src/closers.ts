/** What was opened is closed in the reverse order, each whatever became of the others. */
export interface Closers {
  add(name: string, close: () => unknown): void;
  /** However often it is called, there is one closing, and each call waits for all of it. */
  closeAll(): Promise<void>;
}

export function makeClosers(onError: (name: string, error: unknown) => void): Closers {
  const open: [string, () => unknown][] = [];
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    for (let next = open.pop(); next; next = open.pop()) {
      const [name, end] = next;
      try {
        await end();
      } catch (error) {
        onError(name, error);
      }
    }
  }

  return {
    add: (name, end) => void open.push([name, end]),
    closeAll: () => (closing ??= close()),
  };
}
