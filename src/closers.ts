/** What was opened is closed in the reverse order, each whatever became of the others. */
export interface Closers {
  add(name: string, close: () => unknown): void;
  /** Twice is harmless. */
  closeAll(): Promise<void>;
}

export function makeClosers(onError: (name: string, error: unknown) => void): Closers {
  const open: [string, () => unknown][] = [];
  return {
    add: (name, close) => void open.push([name, close]),
    async closeAll() {
      for (let next = open.pop(); next; next = open.pop()) {
        const [name, close] = next;
        try {
          await close();
        } catch (error) {
          onError(name, error);
        }
      }
    },
  };
}
