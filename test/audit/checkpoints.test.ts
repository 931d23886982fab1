import { generateKeyPairSync, sign } from 'node:crypto';
import { isCheckpointOf, readCheckpoint } from '../../src/audit/checkpoint.ts';
import type { SignedCheckpoint } from '../../src/audit/checkpoint.ts';
import { makeCheckpointer } from '../../src/audit/checkpointer.ts';
import { makeNoteKey } from '../../src/audit/note.ts';
import { makePublisher } from '../../src/audit/publisher.ts';
import type { Witness } from '../../src/audit/witness.ts';
import { startLedgerServer } from '../support/own-ledger-server.ts';
import { makeLogWorld } from './world.ts';
import type { LogWorld } from './world.ts';

let server: Awaited<ReturnType<typeof startLedgerServer>>;
let world: LogWorld;
const worlds: LogWorld[] = [];
beforeEach(async () => {
  world = await makeLogWorld(server);
  worlds.push(world);
});
beforeAll(async () => {
  server = await startLedgerServer();
});
afterAll(async () => {
  await Promise.all(worlds.map((each) => each.close()));
  await server.stop();
});

const ORIGIN = 'writ.example/log';
const pair = generateKeyPairSync('ed25519');
const key = makeNoteKey(ORIGIN, Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
const signer = { key: async () => key, sign: async (text: Uint8Array) => sign(null, text, pair.privateKey) };
const signing = () => makeCheckpointer(world.ledger.sealing, signer, ORIGIN);

async function grow(count: number) {
  await world.write(count);
  await world.seal();
  return world.ledger.sealing.head();
}
const kept = async () => {
  const newest = await world.ledger.sealing.newestCheckpoint();
  return newest && readCheckpoint(newest.note);
};

describe('signing', () => {
  test('the head, once it is committed, with what anybody can check', async () => {
    await signing().sign(await grow(3));
    const checkpoint = await kept();
    expect(checkpoint?.size).toBe(3);
    expect(checkpoint && isCheckpointOf(checkpoint, ORIGIN, [key])).toBe(true);
  });

  test('two replicas sign the same size, and one checkpoint is kept', async () => {
    const head = await grow(3);
    await Promise.all([signing().sign(head), signing().sign(head)]);
    expect((await world.one<{ n: number }>('select count(*)::int as n from log_checkpoints')).n).toBe(1);
  });

  test('a head that another replica has gone past meanwhile is not signed, and nothing is wrong', async () => {
    const old = await grow(3);
    const checkpointer = signing();
    await signing().sign(await grow(2));
    await checkpointer.sign(old);
    expect((await kept())?.size).toBe(5);
    await checkpointer.check();
  });

  test('a head that was never committed is not signed for the record', async () => {
    const head = await grow(3);
    await expect(signing().sign({ ...head, root: Buffer.alloc(32, 1) })).rejects.toMatchObject({ sqlState: '23514' });
  });

  const back = async () => {
    await world.tamper('truncate log_hashes, log_checkpoints');
    await world.tamper('delete from events');
    await world.tamper(`update log_head set size = 0, root = sha256(''), tx = '0', seq = 0`);
  };

  test('a process that has signed does not sign another history, however whole it is', async () => {
    const checkpointer = signing();
    await checkpointer.sign(await grow(5));
    await back();
    await expect(checkpointer.sign(await grow(2))).rejects.toMatchObject({ code: 'shorter_than_signed' });
    await expect(checkpointer.check()).rejects.toMatchObject({ code: 'shorter_than_signed' });
    await expect(checkpointer.sign(await grow(9))).rejects.toMatchObject({ code: 'differs_from_signed' });
    await expect(checkpointer.check()).rejects.toMatchObject({ code: 'differs_from_signed' });
    // a fresh process, without a witness, knows only what the database tells it
    await signing().sign(await world.ledger.sealing.head());
    expect((await kept())?.size).toBe(11);
  });

  /** Another history, beside what was signed of this one. */
  const rewritten = async () => {
    const { rows } = await world.database.pool.query('select * from log_checkpoints');
    await back();
    const [row] = rows as Record<string, unknown>[];
    const columns = ['size', 'root', 'origin', 'key', 'note'].map((name) => row?.[name]);
    await world.tamper('insert into log_checkpoints values ($1, $2, $3, $4, $5)', columns);
  };

  test('a fresh process goes by the ledger’s newest checkpoint', async () => {
    await signing().sign(await grow(5));
    await rewritten();
    await expect(signing().sign(await grow(9))).rejects.toMatchObject({ code: 'differs_from_signed' });
  });

  test('and also where a witness, which is behind, agrees with the log', async () => {
    await signing().sign(await grow(5));
    await rewritten();
    const checkpointer = signing();
    checkpointer.remember(await grow(2));
    const head = await grow(7);
    await expect(checkpointer.check()).rejects.toMatchObject({ code: 'differs_from_signed' });
    await expect(checkpointer.sign(head)).rejects.toMatchObject({ code: 'differs_from_signed' });
  });

  test('what is stated elsewhere while a checkpoint is signed is not forgotten over it', async () => {
    const elsewhere = { size: 9, root: Buffer.alloc(32, 7) };
    const slow = { ...signer, sign: async (text: Uint8Array) => (checkpointer.remember(elsewhere), signer.sign(text)) };
    const checkpointer = makeCheckpointer(world.ledger.sealing, slow, ORIGIN);
    await checkpointer.sign(await grow(5));
    await expect(checkpointer.check()).rejects.toMatchObject({ name: 'LogDamaged' });
  });

  test('hashes that were changed are noticed before anything is signed on top of them', async () => {
    const checkpointer = signing();
    await checkpointer.sign(await grow(4));
    const head = await grow(3);
    await world.tamper(`update log_hashes set hashes = decode(repeat('00', octet_length(hashes)), 'hex')`);
    await expect(checkpointer.sign(head)).rejects.toMatchObject({ code: 'differs_from_signed' });
  });
});

/** A witness in memory, which can be away. */
function memoryWitness(name: string) {
  const state = { last: undefined as SignedCheckpoint | undefined, away: false, published: [] as number[] };
  const there = () => (state.away ? Promise.reject(new Error('away')) : Promise.resolve());
  const witness: Witness = {
    name,
    last: async () => there().then(() => state.last),
    publish: async (note) => {
      await there();
      state.last = readCheckpoint(note);
      state.published.push(state.last?.size ?? 0);
    },
  };
  return { state, witness };
}

describe('publishing', () => {
  const failures: [string, unknown][] = [];
  const note = (witness: string, error: unknown) => void failures.push([witness, (error as { code?: unknown }).code]);
  beforeEach(() => void failures.splice(0));
  const publisherOf = (...witnesses: Witness[]) =>
    makePublisher(world.ledger.sealing, { origin: ORIGIN, key: async () => key }, witnesses);

  test('the newest goes to everybody, once; who is away gets the newest later', async () => {
    const [one, two] = [memoryWitness('one'), memoryWitness('two')];
    const publisher = publisherOf(one.witness, two.witness);
    await publisher.publish(note);
    const checkpointer = signing();
    await checkpointer.sign(await grow(1));
    two.state.away = true;
    await publisher.publish(note);
    await publisher.publish(note);
    await checkpointer.sign(await grow(1));
    two.state.away = false;
    await publisher.publish(note);
    expect([one.state.published, two.state.published]).toEqual([[1, 2], [2]]);
    expect(failures).toEqual([
      ['two', undefined],
      ['two', undefined],
    ]);
    expect(publisher.states()).toEqual([
      { name: 'one', size: 2, failures: 0 },
      { name: 'two', size: 2, failures: 2 },
    ]);
  });

  test('what another replica has handed over already is not handed over again, or taken back', async () => {
    const one = memoryWitness('one');
    await signing().sign(await grow(2));
    await publisherOf(one.witness).publish(note);
    const late = publisherOf(one.witness);
    await late.publish(note);
    expect(one.state.published).toEqual([2]);
    expect(late.states()).toEqual([{ name: 'one', size: 2, failures: 0 }]);
  });

  test('a checkpoint that is not ours is not handed on', async () => {
    const one = memoryWitness('one');
    const head = await grow(2);
    const forged = makeNoteKey(ORIGIN, Buffer.alloc(32, 9));
    const other = generateKeyPairSync('ed25519').privateKey;
    const stranger = { key: async () => forged, sign: async (text: Uint8Array) => sign(null, text, other) };
    await makeCheckpointer(world.ledger.sealing, stranger, ORIGIN).sign(head);
    await publisherOf(one.witness).publish(note);
    expect(one.state.published).toEqual([]);
  });

  test.each([
    { name: 'of another log', change: { origin: 'other.example/log' }, code: 'another_log' },
    { name: 'of more events than there are', change: { size: 99 }, code: 'shorter_than_signed' },
    { name: 'of other events', change: { root: Buffer.alloc(32, 3) }, code: 'differs_from_signed' },
  ])('a witness that keeps a checkpoint $name disagrees, at a start and later', async ({ change, code }) => {
    const one = memoryWitness('one');
    await signing().sign(await grow(4));
    const newest = await kept();
    one.state.last = newest && { ...newest, ...change };
    const publisher = publisherOf(one.witness);
    await publisher.check(note);
    await publisher.publish(note);
    expect(failures).toEqual([
      ['one', code],
      ['one', code],
    ]);
    expect(one.state.published).toEqual([]);
    expect(publisher.states()).toMatchObject([{ problem: code, failures: 2 }]);
    expect(publisher.unasked()).toEqual(['one']);
  });

  test('what witnesses keep, where it agrees, is what has to be gone on from', async () => {
    const one = memoryWitness('one');
    await signing().sign(await grow(4));
    await publisherOf(one.witness).publish(note);
    await grow(3);
    const remembered: number[] = [];
    const log = { origin: ORIGIN, key: async () => key };
    const [two, remember] = [memoryWitness('two'), ({ size }: { size: number }) => void remembered.push(size)];
    const publisher = makePublisher(world.ledger.sealing, log, [one.witness, two.witness], remember);
    one.state.away = true;
    await publisher.check(note);
    expect([publisher.unasked(), remembered]).toEqual([['one'], []]);
    one.state.away = false;
    await publisher.publish(note);
    expect([publisher.unasked(), remembered]).toEqual([[], [4]]);
  });
});
