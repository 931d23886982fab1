import pg from 'pg';

const RETRY_MS = 1_000;

/**
 * Tells of orders and generations as soon as they are committed. A courtesy: a poll stands behind it, and correctness rests on
 * neither, since both are read in the transaction that decides.
 */
export function listen(url: string, onNotice: () => void): { close(): Promise<void> } {
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
    fresh.on('notification', onNotice);
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
