import type { FloorInput } from './floor.ts';
import { startHelper } from './helper-process.ts';
import type { Figures } from './measure.ts';

/** The floor in a process of its own, as the broker is: measured when asked, idle in between. */
export interface Floor {
  measure(callers: number, count: number): Promise<Figures>;
  stop(): Promise<void>;
}

export async function startFloor(input: FloorInput): Promise<Floor> {
  const { ask, stop } = await startHelper('floor.ts', input);
  return { measure: async (callers, count) => (await ask({ callers, count })) as Figures, stop };
}
