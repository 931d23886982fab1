import { createHash } from 'node:crypto';
import { sha256Hex } from '../../src/domain/sha256.ts';

test('the hash of the UTF-8 of a text, as anybody computes it', () => {
  expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  for (const text of ['', 'ä \u{1f512} \0', '\ud800', 'ü'.repeat(200_000)]) {
    expect(sha256Hex(text)).toBe(createHash('sha256').update(text).digest('hex'));
  }
});
