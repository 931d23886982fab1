import type { FloorAsked, FloorInput } from './floor.ts';
import { startHelper } from './helper-process.ts';
import { measureRequests, post } from './http-caller.ts';
import type { Figures } from './measure.ts';

/** The floor in a process of its own, as the broker is: measured when asked, idle in between. */
export interface Floor {
  /** @param more - with a provider's calls in it, or these alone. */
  measure(callers: number, count: number, more?: Pick<FloorAsked, 'call' | 'alone' | 'perSecond'>): Promise<Figures>;
  /** The same work behind an Express server that does nothing else, asked by the load that asks the broker. */
  measureServed(callers: number, count: number, more: Pick<FloorAsked, 'call' | 'perSecond'>): Promise<Figures>;
  stop(): Promise<void>;
}

export async function startFloor(input: FloorInput): Promise<Floor> {
  const { ready, ask, stop } = await startHelper('floor.ts', input);
  const { url } = ready as { url: string };
  return {
    measure: async (callers, count, more) => (await ask({ callers, count, ...more })) as Figures,
    measureServed: (callers, count, { call, perSecond }) => {
      const request = post('/', input.token, { call, profile: 'bench-aws', purpose: 'bench' });
      return measureRequests({ url, callers, count, perSecond }, () => request);
    },
    stop,
  };
}
