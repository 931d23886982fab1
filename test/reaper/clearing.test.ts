import { ProviderError } from '../../src/domain/errors.ts';
import type { MintId } from '../../src/domain/ids.ts';
import type { Cleaned } from '../../src/providers/provider.ts';
import { startReaper } from '../../src/reaper/index.ts';
import type { Reaper } from '../../src/reaper/index.ts';
import { caller, makeWorld, REQUEST } from '../exchange/world.ts';
import type { World } from '../exchange/world.ts';
import { memoryProvider } from '../support/memory-provider.ts';
import type { MemoryProvider } from '../support/memory-provider.ts';
import { until } from '../support/waiting.ts';

/** Hygiene after the end: nothing lives any more, and what is left of it goes. */
let world: World;
let provider: MemoryProvider;
let cleaned: Cleaned;
/** Whether the provider is looked through: what it shows is cleared away again, also where that has just been done. */
let shows: boolean;
const reapers: Reaper[] = [];
beforeAll(async () => {
  const memory = memoryProvider({ has: ['cleanup', 'names'] });
  const { names: shown } = memory;
  provider = Object.assign(memory, {
    cleanup: async (...[record, signal]: Parameters<NonNullable<MemoryProvider['cleanup']>>) => {
      await memory.before('cleanup', record.mint, signal);
      tries.push(record.mint);
      return cleaned;
    },
    names: async (signal: AbortSignal) => (shows ? ((await shown?.(signal)) ?? []) : []),
  });
  world = await makeWorld({ provider });
});
const tries: MintId[] = [];
beforeEach(() => {
  cleaned = { kind: 'done' };
  shows = false;
});
afterAll(() => world.close());
afterEach(async () => {
  provider.recover();
  await Promise.all(reapers.splice(0).map((reaper) => reaper.stop()));
  await world.record.sql('update mints set cleanup_due_at = null');
});

const start = () => void reapers.push(startReaper(world.context, world.settle));
async function ended(): Promise<MintId> {
  const { grant } = await world.issue(caller(), REQUEST);
  const view = await world.revoke({ grant, reason: 'r', actor: { kind: 'system', name: 'test' }, origin: null });
  return view.mints[0]?.id as MintId;
}
const due = async (mint: MintId) => (await world.record.mint(mint)).cleanup_due_at;
const count = (mint: MintId) => tries.filter((each) => each === mint).length;

test('what ended is cleared away, once', async () => {
  const mints = [await ended(), await ended(), await ended()];
  start();
  await until(async () => (await Promise.all(mints.map(due))).every((at) => at === null));
  expect(mints.map(count)).toEqual([1, 1, 1]);
});

test('what must stay a while comes round then', async () => {
  const mint = await ended();
  const later = new Date(Date.now() + 300_000);
  cleaned = { kind: 'later', until: later };
  start();
  await until(async () => (await due(mint))?.getTime() === later.getTime());
  cleaned = { kind: 'done' };
  await world.record.ageCleanup(mint, 301);
  await until(async () => (await due(mint)) === null);
  expect(count(mint)).toBe(2);
});

test('what fails is tried again after a pause, and told without its cause', async () => {
  const mint = await ended();
  provider.before = (call) => {
    if (call === 'cleanup')
      throw new ProviderError('provider_refused', { nothingLives: false, cause: new Error('secret') });
  };
  start();
  await until(() => world.warnings.some((facts) => facts['mint'] === mint));
  expect(world.warnings.find((facts) => facts['mint'] === mint)).toEqual({
    provider: 'memory',
    mint,
    tries: 1,
    code: 'provider_refused',
  });
  await until(async () => ((await due(mint))?.getTime() ?? Infinity) < Date.now() + 10_000); // no longer under its lease
  provider.recover();
  await world.record.ageCleanup(mint, 10);
  await until(async () => (await due(mint)) === null);
});

test('what a provider still shows: of the ended cleared away again, of the unknown told and left alone', async () => {
  shows = true;
  const gone = await ended();
  const { grant } = await world.issue(caller(), REQUEST);
  const living = provider.calls.findLast(({ call }) => call === 'mint')?.mint as MintId;
  const stranger = 'm000000000000000000000' as MintId;
  await provider.mint(
    { mint: stranger, endsAt: new Date(), revocability: { mode: 'immediate' }, request: {} },
    new AbortController().signal,
  );
  start();
  await until(() => count(gone) === 1);
  await until(() => world.warnings.some((facts) => Array.isArray(facts['mints'])));
  expect(world.warnings.find((facts) => Array.isArray(facts['mints']))).toEqual({
    provider: 'memory',
    count: 1,
    mints: [stranger],
  });
  expect([provider.living.has(stranger), provider.living.has(living), count(living)]).toEqual([true, true, 0]);
  expect(await world.record.grant(grant)).toMatchObject({ state: 'active' });
});
