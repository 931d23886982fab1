import type { FloorAsked, FloorInput } from './floor.ts';
import { startHelper } from './helper-process.ts';
import type { Figures } from './measure.ts';

/** The floor in a process of its own, as the broker is: measured when asked, idle in between. */
export interface Floor {
  /** @param more - with a provider's calls in it, or these alone. */
  measure(callers: number, count: number, more?: Pick<FloorAsked, 'call' | 'alone' | 'perSecond'>): Promise<Figures>;
  stop(): Promise<void>;
}

export async function startFloor(input: FloorInput): Promise<Floor> {
  const { ask, stop } = await startHelper('floor.ts', input);
  return { measure: async (callers, count, more) => (await ask({ callers, count, ...more })) as Figures, stop };
}
