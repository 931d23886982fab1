import type { Part } from './part.ts';
import { paired, table } from './paired.ts';
import type { Row } from './paired.ts';
import type { World } from './world.ts';

const CALLERS = [1, 8, 64];
const ROUNDS = 5;
const DELAYS_MS = [2, 5];

interface Wanted {
  readonly title: string;
  readonly profile: string;
  /** Of a whole row, over all its rounds. */
  readonly count: number;
  readonly fresh?: boolean;
}

/** Issuances through the whole broker, HTTP and the load on the same cores, in turn with the floor. */
async function beside(world: World, { title, profile, count, fresh = false }: Wanted): Promise<void> {
  const each = Math.ceil(count / ROUNDS / (world.quick ? 4 : 1));
  const rows: Row[] = [];
  for (const callers of CALLERS) {
    const measured = async () => {
      const tokens = fresh ? await world.freshTokens(Math.ceil(each * 1.25) + callers) : world.tokens;
      return world.issuances({ profile, callers, count: each, tokens });
    };
    rows.push(await paired(ROUNDS, () => world.floor.measure(callers, each), measured));
  }
  table(world.say, title, 'floor', rows);
}

const TOKENS = { profile: 'tools-refund-read', count: 8_000 };

export const jwt: Part = {
  name: 'jwt',
  run: (world) => beside(world, { ...TOKENS, title: 'jwt, 100 workloads that reuse their tokens' }),
};

export const fresh: Part = {
  name: 'fresh',
  run: (world) => beside(world, { ...TOKENS, title: 'jwt, a fresh token for each request', fresh: true }),
};

export const postgres: Part = {
  name: 'postgres',
  run: (world) => beside(world, { title: 'postgres', profile: 'orders-read', count: 2_000 }),
};

export const delays: Part = {
  name: 'delays',
  async run(world) {
    for (const ms of DELAYS_MS) {
      await world.bench.delayCommits(ms);
      await beside(world, { ...TOKENS, title: `jwt, ${ms} ms added to each commit`, fresh: true, count: 4_000 });
    }
    await world.bench.delayCommits(0);
  },
};
