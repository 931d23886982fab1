import type { DirectAsked, DirectInput } from './direct.ts';
import { startHelper } from './helper-process.ts';
import type { Figures } from './measure.ts';

export interface Direct {
  measure(asked: DirectAsked): Promise<Figures>;
  stop(): Promise<void>;
}

export async function startDirect(input: DirectInput): Promise<Direct> {
  const { ask, stop } = await startHelper('direct.ts', input);
  return { measure: async (asked) => (await ask(asked)) as Figures, stop };
}
