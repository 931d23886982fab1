import type { Clock } from '../domain/clock.ts';
import type { Connection } from './connection.ts';

/** How often the offset is measured. */
const EVERY_MS = 10_000;

/**
 * This process's clock, corrected to the database's. The offset is taken at the middle of the round trip, from the
 * quickest of a few, so that it is off by half a round trip at most.
 */
export async function startDatabaseClock(
  connection: Connection,
  localNow: () => number,
): Promise<Clock & { measure(): Promise<void>; close(): void }> {
  let offset = 0;
  const sample = async () => {
    const before = localNow();
    const rows = await connection.call<{ now: Date }>('database_clock', 'select clock_timestamp() as now', []);
    const after = localNow();
    const there = rows[0]?.now.getTime() ?? before;
    return { took: after - before, offset: Math.round((before + after) / 2 - there) };
  };
  const measure = async () => {
    const samples = [await sample(), await sample(), await sample()];
    offset = samples.reduce((best, next) => (next.took < best.took ? next : best)).offset;
  };
  await measure();
  // A failed measurement keeps the last offset: the ledger being away is said elsewhere.
  const timer = setInterval(() => void measure().catch(() => undefined), EVERY_MS);
  timer.unref();
  return {
    now: () => new Date(localNow() - offset),
    offsetMs: () => offset,
    measure,
    close: () => clearInterval(timer),
  };
}
