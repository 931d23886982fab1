import { generateKeyPairSync, sign } from 'node:crypto';
import { checkLog } from '../../src/audit/check-log.ts';
import type { LogSource } from '../../src/audit/check-log.ts';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import type { EventRow } from '../../src/audit/event.ts';
import { collectFindings } from '../../src/audit/findings.ts';
import { leafHash } from '../../src/audit/merkle.ts';
import { formatNote, formatNoteKey, makeNoteKey } from '../../src/audit/note.ts';
import type { KeptCheckpoint } from '../../src/audit/store.ts';
import { growFrom } from '../../src/audit/tree.ts';

/** A log of several windows, read once. */
const SIZE = 9_000;
const ORIGIN = 'writ.example/log';
const pair = generateKeyPairSync('ed25519');
const key = makeNoteKey(ORIGIN, Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));

function makeLog(signed: readonly number[]) {
  const hashes: Uint8Array[] = [];
  const tree = growFrom(0, [], (hash) => hashes.push(hash));
  const checkpoints: KeptCheckpoint[] = [];
  const rows = Array.from({ length: SIZE }, (_, leaf): EventRow => {
    const body = `{"n":${leaf}}`;
    tree.append(leafHash(body));
    if (signed.includes(leaf + 1)) checkpoints.push(checkpointOf(leaf + 1, tree.root()));
    return { leaf, seq: String(leaf), at: '', type: 'x', task: null, grant: null, body };
  });
  const read: number[] = [];
  const source: LogSource = {
    head: async () => ({ size: SIZE, root: tree.root() }),
    events: async (first, end) => rows.slice(first, end),
    stored: async (from, to) => Buffer.concat(hashes.slice(from, to)),
    storedEnd: async () => hashes.length,
    sealedCount: async () => SIZE,
    strays: async () => [],
    async *unsealed() {},
    async checkpoints(above, upTo, limit) {
      const wanted = checkpoints.filter(({ size }) => size > above && size <= upTo).slice(0, limit);
      read.push(...wanted.map(({ size }) => size));
      return wanted;
    },
    archives: async () => [],
    archivings: async () => [],
  };
  return { source, read };
}

function checkpointOf(size: number, root: Uint8Array): KeptCheckpoint {
  const text = checkpointText({ origin: ORIGIN, size, root });
  const note = formatNote(text, key, sign(null, Buffer.from(text), pair.privateKey));
  return { size, root, origin: ORIGIN, key: formatNoteKey(key), note };
}

async function check(source: LogSource) {
  const findings = collectFindings();
  const options = {
    keys: [key],
    kept: [],
    isUnseen: () => false,
    onEvents: async () => undefined,
    onProgress: () => undefined,
  };
  const summary = await checkLog(source, options, findings);
  return { summary, found: findings.list() };
}

test('every checkpoint is read once, and held against the log of its size', async () => {
  const signed = [1, 2, 1_999, 2_000, 2_001, 4_000, 6_500, SIZE];
  const { source, read } = makeLog(signed);
  expect(await check(source)).toEqual({ summary: { size: SIZE, unsealed: 0, checkpoints: signed.length }, found: [] });
  expect(read).toEqual(signed);
});

test('one that is of more events than there are', async () => {
  const { source, read } = makeLog([500, 1_000, 1_500, 3_000]);
  const more: LogSource = {
    ...source,
    checkpoints: async (above, upTo) => {
      const own = await source.checkpoints(above, upTo, 10_000);
      return upTo > SIZE ? [checkpointOf(SIZE + 1, Buffer.alloc(32))] : own;
    },
  };
  const { summary, found } = await check(more);
  expect(read).toEqual([500, 1_000, 1_500, 3_000]);
  expect(summary.checkpoints).toBe(5);
  expect(found).toEqual([
    {
      code: 'log_truncated',
      about: `checkpoint ${SIZE + 1}`,
      message: `in the ledger, is of ${SIZE + 1} events; the log has ${SIZE}`,
    },
  ]);
});

test('a head that says more than there is: no further than that', async () => {
  const { source } = makeLog([]);
  const asked: number[] = [];
  const { summary, found } = await check({
    ...source,
    head: async () => ({ ...(await source.head()), size: 9e15 }),
    events: async (first, end) => {
      asked.push(end);
      return source.events(first, end);
    },
    stored: async (from, to) => {
      const there = await source.stored(from, to);
      return Buffer.concat([there, Buffer.alloc((to - from) * 32 - there.length)]);
    },
  });
  expect(found[0]).toMatchObject({ code: 'head_differs', message: expect.stringMatching(/9000000000000000 events/) });
  expect(Math.max(...asked)).toBeLessThan(4 * SIZE);
  expect(summary.size).toBeLessThan(4 * SIZE);
});
