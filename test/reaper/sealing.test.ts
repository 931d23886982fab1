import { LogDamaged } from '../../src/audit/store.ts';
import type { LogHead } from '../../src/audit/store.ts';
import { startSealing } from '../../src/reaper/sealing.ts';
import type { Sealing, SealingParts } from '../../src/reaper/sealing.ts';
import { until } from '../support/waiting.ts';

let running: Sealing | undefined;
afterEach(() => running?.stop());

/** What a damaged log stops, and what alone sets it going again. */
function world() {
  const state = { sealed: 0, signed: 0, looks: 0, isWhole: true, isQuiet: false, unasked: [] as string[] };
  const damaged = () => new LogDamaged('differs_from_signed', 'not what was signed');
  const head: LogHead = {
    logId: 'log',
    size: 7,
    root: new Uint8Array(32),
    tx: '1',
    seq: '1',
    sealedAt: new Date(0),
    checkpointSize: 7,
  };
  const logged: string[] = [];
  const note = (_facts: unknown, message: string) => void logged.push(message);
  const parts: SealingParts = {
    seal: async () => {
      if (state.isQuiet) return { sealed: 0, more: false, raced: false, late: 0, head };
      state.sealed++;
      return { sealed: 1, more: false, raced: false, late: 0, head };
    },
    checkpointer: {
      remember: () => undefined,
      check: async () => undefined,
      async sign() {
        if (!state.isWhole) throw damaged();
        state.signed++;
      },
    },
    publisher: {
      states: () => [],
      unasked: () => state.unasked,
      check: async () => undefined,
      publish: async () => undefined,
    },
    async checkWhole() {
      state.looks++;
      if (!state.isWhole) throw damaged();
    },
    oldestTransaction: async () => undefined,
    sealEveryMs: 10,
    publishEveryMs: 10,
    nowMs: () => Date.now(),
    log: { info: note, warn: note, error: note },
  };
  running = startSealing(parts);
  return { state, logged, sealing: running };
}

test('a damaged log stays one in quiet rounds, nothing is sealed on top of it, and what is repaired goes on', async () => {
  const { state, logged, sealing } = world();
  await until(() => state.signed > 0);
  state.isWhole = false;
  await until(() => sealing.status().problem !== undefined);
  const before = { ...state };
  state.isQuiet = true;
  await until(() => state.looks > before.looks + 3);
  expect(sealing.status().problem).toBe('differs_from_signed');
  state.isQuiet = false;
  await until(() => state.looks > before.looks + 6);
  expect(state.sealed).toBe(before.sealed);
  expect(logged).toEqual(['sealing has stopped']);
  state.isWhole = true;
  await until(() => state.signed > before.signed);
  expect(sealing.status().problem).toBeUndefined();
  expect(logged).toEqual(['sealing has stopped', 'the log is whole again']);
});

test('sealing does not wait for a witness that was never asked; signing does', async () => {
  const { state } = world();
  await until(() => state.signed > 0);
  state.unasked = ['away'];
  const { sealed } = state;
  await until(() => state.sealed > sealed + 1);
  const { signed } = state;
  await until(() => state.sealed > sealed + 4);
  expect(state.signed).toBe(signed);
  state.unasked = [];
  await until(() => state.signed > signed);
});
