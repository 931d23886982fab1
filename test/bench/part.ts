import type { World } from './world.ts';

/** One thing that is measured; `npm run bench -- --only NAME` runs it alone. */
export interface Part {
  readonly name: string;
  /** Takes long: only where it is asked for by name. */
  readonly byName?: boolean;
  run(world: World): Promise<void>;
}
