import { generateKeyPairSync, sign } from 'node:crypto';
import { checkpointText, isCheckpointOf, readCheckpoint, readCheckpoints } from '../../src/audit/checkpoint.ts';
import { formatNote, formatNoteKey, isSignedBy, makeNoteKey, parseNote, parseNoteKey } from '../../src/audit/note.ts';

/** The example that implementations of signed notes are held against. */
const KNOWN = {
  key: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
  signature:
    '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
};

function makeKey(name = 'writ.example/log') {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = makeNoteKey(name, Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
  return { key, note: (text: string) => formatNote(text, key, sign(null, Buffer.from(text), privateKey)) };
}

const ours = makeKey();
const root = Buffer.alloc(32, 7);
const text = checkpointText({ origin: 'writ.example/log', size: 4711, root });
const note = ours.note(text);

test('a note that another implementation has signed', () => {
  const key = parseNoteKey(KNOWN.key);
  const parsed = parseNote(`${KNOWN.text}\n${KNOWN.signature}`);
  expect(key && parsed && isSignedBy(parsed, [key])).toBe(true);
  expect(key && formatNoteKey(key)).toBe(KNOWN.key);
});

test('a checkpoint, there and back', () => {
  expect(text).toBe(`writ.example/log\n4711\n${root.toString('base64')}\n`);
  const read = readCheckpoint(note);
  expect(read).toMatchObject({ origin: 'writ.example/log', size: 4711, note });
  expect(read?.root).toEqual(root);
  expect(read && isCheckpointOf(read, 'writ.example/log', [ours.key])).toBe(true);
  expect(read && isCheckpointOf(read, 'writ.example/other', [ours.key])).toBe(false);
  expect(read && isCheckpointOf(read, 'writ.example/log', [makeKey().key])).toBe(false);
  expect(read && isCheckpointOf(read, 'writ.example/log', [])).toBe(false);
});

test('signatures of witnesses beside ours, and lines that they understand, do no harm', () => {
  const extended = ours.note(`${text}Timestamp: 1\n`);
  const cosigned = `${extended}\u2014 witness.example ${Buffer.alloc(76, 1).toString('base64')}\n`;
  const read = readCheckpoint(cosigned);
  expect(read?.size).toBe(4711);
  expect(read && isCheckpointOf(read, 'writ.example/log', [makeKey('witness.example').key])).toBe(false);
  expect(read && isCheckpointOf(read, 'writ.example/log', [ours.key])).toBe(true);
});

test.each([
  ['another size', note.replace('4711', '4712')],
  ['another root', note.replace(root.toString('base64'), Buffer.alloc(32, 8).toString('base64'))],
  ['another origin', note.replaceAll('writ.example/log', 'writ.example/fake')],
  ['a signature of another key under our name', makeKey().note(text)],
])('forged: %s', (_, forged) => {
  const read = readCheckpoint(forged);
  expect(read).toBeDefined();
  expect(read && isCheckpointOf(read, read.origin, [ours.key])).toBe(false);
});

test.each([
  ['nothing', ''],
  ['no signature', text],
  ['an empty signature part', `${text}\n`],
  ['no newline at its end', note.slice(0, -1)],
  ['a carriage return', note.replace('\n', '\r\n')],
  ['a size with a zero in front', ours.note(text.replace('4711', '04711'))],
  ['a size that is no number', ours.note(text.replace('4711', '0x12'))],
  ['a size beyond what can be counted', ours.note(text.replace('4711', '9999999999999999'))],
  ['a short root', ours.note(`writ.example/log\n1\n${Buffer.alloc(31).toString('base64')}\n`)],
  ['a root that is not canonical base64', ours.note(text.replace(/=\n$/, '\n'))],
  ['a root in base64url', ours.note(`writ.example/log\n1\n${Buffer.alloc(32, 255).toString('base64url')}=\n`)],
  ['no root', ours.note('writ.example/log\n4711\n')],
  ['no origin', ours.note(`\n4711\n${root.toString('base64')}\n`)],
  ['a signature line without its mark', note.replace('\u2014', '-')],
  ['a signature line with something behind', note.replace(/\n$/, ' x\n')],
  ['something between the signatures', `${note}x\n`],
  ['too much', ours.note(text + 'x'.repeat(200_000) + '\n')],
])('no checkpoint: %s', (_, wrong) => {
  expect(readCheckpoint(wrong)).toBeUndefined();
});

test.each([
  ['another id', KNOWN.key.replace('c74f20a3', 'c74f20a4')],
  ['another kind of key', KNOWN.key.replace('+AR', '+Ah')],
  ['a byte too few', KNOWN.key.slice(0, -4)],
  ['no name', KNOWN.key.slice('PeterNeumann'.length)],
  ['another name', KNOWN.key.replace('Peter', 'Petra')],
])('no key: %s', (_, wrong) => {
  expect(parseNoteKey(wrong)).toBeUndefined();
});

test('a name with a space or a plus is no name', () => {
  for (const name of ['a b', 'a+b', '', 'a\nb']) expect(() => makeNoteKey(name, root)).toThrow(TypeError);
});

test('a file of checkpoints, whatever stands between them', () => {
  const sizes = (content: string) => readCheckpoints(content).map(({ size }) => size);
  const second = ours.note(text.replace('4711', '5000'));
  expect(sizes('')).toEqual([]);
  expect(sizes(note)).toEqual([4711]);
  expect(sizes(note + second)).toEqual([4711, 5000]);
  expect(sizes(`${note}\n\n${second}\n`)).toEqual([4711, 5000]);
  expect(sizes(`${note}\n${second.slice(0, 40)}`)).toEqual([4711]);
  expect(sizes(`${note}\n${second.slice(0, -1)}`)).toEqual([4711]);
  expect(sizes(`${note}\n${second.slice(0, 40)}\n\n${second}`)).toEqual([4711, 5000]);
  expect(sizes(`\u2014 a signature of nothing\n${note}`)).toEqual([4711]);
  expect(sizes(`${note}${note.slice(note.indexOf('\u2014'))}${second}`)).toEqual([4711, 5000]);
});

test('a long file that holds none is read once', () => {
  const began = performance.now();
  expect(readCheckpoints('a\n'.repeat(400_000))).toEqual([]);
  expect(readCheckpoints(`${'a\n'.repeat(400_000)}\n${note}`).map(({ size }) => size)).toEqual([4711]);
  expect(performance.now() - began).toBeLessThan(10_000);
});
