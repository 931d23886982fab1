import type { SinkSettings } from './config/index.ts';
import type { Ledger } from './ledger/index.ts';

/** How far each configured sink is behind the log, and what it was given up on. */
export function sinkStates({ sealing, sinks }: Ledger, configured: readonly Pick<SinkSettings, 'name'>[]) {
  const known = new Set(configured.map(({ name }) => name));
  return async () => {
    const [{ size }, states] = await Promise.all([sealing.head(), sinks.states()]);
    return states
      .filter(({ name }) => known.has(name))
      .map(({ name, position, dead }) => ({ name, lag: size - position, dead }));
  };
}
