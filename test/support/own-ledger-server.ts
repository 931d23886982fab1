import { startOwnServer } from './servers.ts';
import type { LedgerServer } from './servers.ts';
import { makeTemplate } from './template.ts';

/**
 * A server for the ledgers of one test file. Sealing waits for every transaction of the whole server: on the run's own one those of
 * other tests would be among them.
 */
export async function startLedgerServer(): Promise<LedgerServer & { stop(): Promise<void> }> {
  const server = await startOwnServer({ settings: { max_connections: '300' } });
  const ledger = server.url.reveal();
  return { ledger, broker: await makeTemplate(ledger), stop: server.stop };
}
