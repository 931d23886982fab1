import pg from 'pg';

const RETRY_MS = 1_000;

/**
 * Tells of orders, generations and approvals as soon as they are committed, each by its name; without one, when it has begun to
 * listen, and something may have been missed. A courtesy: a poll stands behind it, and correctness rests on
 * neither, since both are read in the transaction that decides.
 */
export function listen(url: string, onNotice: (what?: string) => void): { close(): Promise<void> } {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function open(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      application_name: 'writ listen',
    });
    client = fresh;
    fresh.on('notification', ({ payload }) => onNotice(payload));
    fresh.on('error', () => undefined);
    fresh.once('end', again);
    try {
      await fresh.connect();
      await fresh.query('listen writ');
      onNotice();
    } catch {
      await fresh.end().catch(() => undefined);
      again();
    }
  }

  function again(): void {
    if (closed || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void open();
    }, RETRY_MS);
  }

  void open();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
