/**
 * What the broker adds to a provider's own call: an issuance through all of it, beside the calls that the provider makes for it made
 * directly; beside the floor with the same calls in it; and beside that floor behind an Express server that does nothing else, which is
 * what HTTP takes as Express comes. Providers are those of the tests, each in a process of its own.
 */
import { TTL_SECONDS } from './direct.ts';
import type { CallKind } from './direct.ts';
import type { Figures } from './measure.ts';
import { withProviders, type ProvidersWorld } from './overhead-world.ts';
import { inTurn, median, quartiles } from './paired.ts';
import type { Part } from './part.ts';
import type { World } from './world.ts';

const CALLERS = [1, 8, 64];
const FINER = 4;
/** Rounds of a row that are left out: what the rows before it did not run, or not like that, is compiled and optimised in them. */
const LEFT_OUT = 2;

interface Wanted {
  readonly title: string;
  /** Absent: nobody is asked. */
  readonly call?: CallKind;
  /** The same calls without any client, for comparison. */
  readonly bare?: CallKind;
  readonly profile: string;
  /** What each of the provider's calls takes longer. */
  readonly delayMs: number;
  readonly rounds: number;
  readonly callers?: readonly number[];
  /** How often all callers together ask; absent: each as soon as it was answered. */
  readonly perSecond?: number;
  /** Issuances of a round, by callers. */
  count(callers: number): number;
}

interface Round {
  /** The floor without the provider's calls. */
  readonly floor: Figures;
  readonly own: Yardstick;
  readonly bare: Yardstick;
  readonly broker: Figures;
  /** `own.both` behind Express, asked by the same load as the broker. */
  readonly served: Figures;
}

/** A provider's calls alone, and in the floor. */
interface Yardstick {
  readonly direct: Figures;
  readonly both: Figures;
}

const asked = ({ tokens }: World, profile: string) => ({ profile, tokens, ttlSeconds: TTL_SECONDS });

async function measureRow(world: World, { broker, floor, setDelay }: ProvidersWorld, wanted: Wanted, callers: number) {
  const { call, bare, profile, delayMs } = wanted;
  const pace = wanted.perSecond === undefined ? {} : { perSecond: wanted.perSecond };
  // One caller feels most what else the machine does: more rounds, each of them shorter.
  const finer = callers === 1 ? FINER : 1;
  const rounds = roundsOf(world, wanted) * finer;
  const count = Math.ceil(wanted.count(callers) / finer);
  const measured = async (kind?: { call: CallKind; alone?: boolean }) => {
    await setDelay(delayMs);
    return floor.measure(callers, count, { ...kind, ...pace });
  };
  const issuances = async () => {
    await setDelay(delayMs);
    return broker.issuances({ ...asked(world, profile), callers, count, ...pace });
  };
  const served = async () => {
    await setDelay(delayMs);
    return floor.measureServed(callers, count, { ...(call && { call }), ...pace });
  };
  const yardstick = async (kind: CallKind): Promise<Yardstick> => ({
    direct: await measured({ call: kind, alone: true }),
    both: await measured({ call: kind }),
  });
  // First what is held against each other, and then what stands beside it: whoever rests meanwhile is slower.
  const held = await inRounds(finer, rounds, (round) =>
    inTurn(round, [() => measured(call && { call }), issuances, served]),
  );
  const others = await inRounds(finer, rounds, async () => ({
    direct: call ? await measured({ call, alone: true }) : NOTHING,
    plain: call && (await measured()),
    bare: bare ? await yardstick(bare) : { direct: NOTHING, both: NOTHING },
  }));
  const all: Round[] = others.map(({ direct, plain, bare: byHand }, at) => {
    const [both = NOTHING, issued = NOTHING, behindExpress = NOTHING] = held[at] ?? [];
    return { floor: plain ?? both, own: { direct, both }, bare: byHand, broker: issued, served: behindExpress };
  });
  const of = (value: (round: Round) => number) => median(all.map(value)).toFixed(2).padStart(8);
  for (const p of ['p50', 'p99'] as const) {
    const beside = (name: 'own' | 'bare') => [
      of(({ [name]: { direct } }) => direct[p]),
      of(({ [name]: { both } }) => both[p]),
      of(({ broker: issued, [name]: { direct } }) => issued[p] - direct[p]),
      of(({ broker: issued, [name]: { both } }) => issued[p] - both[p]),
    ];
    const figures = [
      of(({ floor: plain }) => plain[p]),
      of(({ broker: issued }) => issued[p]),
      ...beside('own'),
      of(({ served }) => served[p]),
      of(({ broker: issued, served }) => issued[p] - served[p]),
    ];
    const more = bare ? [' ', ...beside('bare')] : [];
    const [low, high] = quartiles(all.map(({ broker: issued, own }) => issued[p] - own.both[p]));
    const spread = `   beyond: a quarter below ${low.toFixed(2)}, a quarter above ${high.toFixed(2)}`;
    world.say(`  ${String(callers).padStart(7)}   ${p} ${[...figures, ...more].join(' ')}${spread}`);
  }
}

/** Of `rounds` rounds, what the work came to in each; before them come those that are left out. */
async function inRounds<Result>(finer: number, rounds: number, work: (round: number) => Promise<Result>) {
  const all: Result[] = [];
  for (let round = -LEFT_OUT * finer; round < rounds; round++) {
    const result = await work(round);
    if (round >= 0) all.push(result);
  }
  return all;
}

/** As a broker is that has been running for a while: it has the most code, and would be held against others that are compiled already. */
async function warmUp(world: World, { broker, floor, setDelay }: ProvidersWorld, { call, profile }: Wanted) {
  const count = world.quick ? 3_000 : 5_000;
  const works = [
    () => broker.issuances({ ...asked(world, profile), callers: 8, count }),
    () => floor.measure(8, count, call && { call }),
    () => floor.measureServed(8, count, call ? { call } : {}),
  ];
  for (const work of works) {
    await setDelay(0);
    await work();
  }
}

/** The quick form has fewer rounds, each as long: in short ones most of what is measured is how a crowd begins. */
const roundsOf = ({ quick }: World, { rounds }: Wanted) => (quick ? rounds : rounds * 2);

async function tableOf(world: World, providers: ProvidersWorld, wanted: Wanted): Promise<void> {
  await warmUp(world, providers, wanted);
  const rounds = roundsOf(world, wanted);
  world.say(
    `${wanted.title} (medians of ${rounds} rounds in turn, ms; of one caller ${rounds * FINER}; ${LEFT_OUT} and ${LEFT_OUT * FINER} before them are left out)`,
  );
  const beside = '  direct     both    added   beyond';
  world.say(
    `  callers          floor   broker ${beside}   served   writ's${wanted.bare ? `     bare: ${beside}` : ''}`,
  );
  const chosen = (wanted.callers ?? CALLERS).filter((callers) => world.callers?.includes(callers) ?? true);
  for (const callers of chosen) await measureRow(world, providers, wanted, callers);
  world.say('');
}

const NOTHING: Figures = { callers: 0, perSecond: 0, p50: 0, p99: 0 };
const many = (callers: number) => (callers === 1 ? 150 : callers === 8 ? 500 : 1_000);
const few = (callers: number) => (callers === 1 ? 100 : callers === 8 ? 400 : 640);

/** Callers who come by chance, and not at once as soon as they were answered: a fifth of what the broker can do here. */
const PACED = { callers: [8, 64], perSecond: 60, rounds: 6, count: () => 200 } as const;
const paced = `${PACED.perSecond} a second from all callers together`;

/** What all issuances cost beyond the floor, whichever provider they are of: HTTP, the answer, and all that is checked on the way. */
const control = (world: World, providers: ProvidersWorld) =>
  tableOf(world, providers, {
    title: 'jwt, for which nobody is asked',
    profile: 'tools-refund-read',
    delayMs: 0,
    rounds: 6,
    count: many,
  });

export const overheadAws: Part = {
  name: 'overhead-aws',
  run: (world) =>
    withProviders(world, 'overhead_aws', async (providers) => {
      await control(world, providers);
      const base = { call: 'aws', profile: 'bench-aws' } as const;
      await tableOf(world, providers, { ...base, title: 'aws: AssumeRole', delayMs: 0, rounds: 6, count: many });
      await tableOf(world, providers, { ...base, title: 'aws, 20 ms slower', delayMs: 20, rounds: 6, count: few });
      await tableOf(world, providers, { ...base, ...PACED, title: `aws, ${paced}`, delayMs: 0 });
    }),
};

export const overheadVault: Part = {
  name: 'overhead-vault',
  run: (world) =>
    withProviders(world, 'overhead_vault', async (providers) => {
      await control(world, providers);
      const base = { call: 'vault', bare: 'vault-bare', profile: 'bench-vault' } as const;
      const title = 'vault: a token, a look at it, its extension: three calls';
      await tableOf(world, providers, { ...base, title, delayMs: 0, rounds: 6, count: many });
      await tableOf(world, providers, {
        ...base,
        title: 'vault, each call 20 ms slower',
        delayMs: 20,
        rounds: 6,
        count: few,
      });
      await tableOf(world, providers, { ...base, ...PACED, title: `vault, ${paced}`, delayMs: 0 });
      await tableOf(world, providers, {
        call: 'vault-entity',
        bare: 'vault-entity-bare',
        profile: 'bench-vault-entity',
        title: 'vault with an entity: six calls, two of them at once',
        delayMs: 0,
        rounds: 6,
        // The tests' Vault looks through all entities that there are.
        count: (callers) => Math.min(callers * 40, 640),
      });
    }),
};

const SLOW_MS = 2_000;
const SLOW_CALLERS = 16;
const FAST = { profile: 'bench-vault', callers: 8 };

/** One provider that takes seconds, beside one that does not: whether who waits for the second one waits for the first. */
export const overheadSlow: Part = {
  name: 'overhead-slow',
  run: (world) =>
    withProviders(world, 'overhead_slow', async ({ broker, setDelay, setSlow }) => {
      const count = world.quick ? 200 : 800;
      const rounds: { readonly alone: Figures; readonly beside: Figures }[] = [];
      await setSlow(SLOW_MS);
      for (let round = 0; round < (world.quick ? 2 : 5); round++) {
        await setDelay(0);
        const alone = await broker.issuances({ ...FAST, count, tokens: world.tokens });
        await setDelay(0);
        const stream = { going: true };
        const slow = (async () => {
          const asked = { profile: 'bench-aws-slow', callers: SLOW_CALLERS, count: SLOW_CALLERS, tokens: world.tokens };
          while (stream.going) await broker.issuances(asked);
        })();
        const beside = await broker.issuances({ ...FAST, count, tokens: world.tokens });
        stream.going = false;
        await slow;
        rounds.push({ alone, beside });
      }
      const of = (name: 'alone' | 'beside', p: 'p50' | 'p99') =>
        median(rounds.map(({ [name]: figures }) => figures[p])).toFixed(2);
      world.say(`vault, 8 callers, alone and beside ${SLOW_CALLERS} callers of an AWS that takes ${SLOW_MS} ms`);
      world.say(`  alone: p50 ${of('alone', 'p50')} ms, p99 ${of('alone', 'p99')} ms`);
      world.say(`  beside: p50 ${of('beside', 'p50')} ms, p99 ${of('beside', 'p99')} ms`);
      world.say('');
    }),
};
