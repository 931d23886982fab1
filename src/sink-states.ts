import type { SinkSettings } from './config/index.ts';
import { sinkStates } from './exchange/sinks.ts';
import type { Ledger } from './ledger/index.ts';

/** How far each configured sink is behind the log, and what it was given up on. */
export function configuredSinks(ledger: Ledger, configured: readonly Pick<SinkSettings, 'name'>[]) {
  const known = new Set(configured.map(({ name }) => name));
  return async () => (await sinkStates(ledger)).filter(({ name }) => known.has(name));
}
