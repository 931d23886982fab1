import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { rsaWeakness } from '../../../src/attesters/keys/weak-rsa.ts';

const F4 = Buffer.from([1, 0, 1]);

function modulusOf(modulusLength: number): Buffer {
  const { n } = generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' });
  return Buffer.from(String(n), 'base64url');
}

const bytes = (value: bigint): Buffer => {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
};

const random = (bits: number): bigint => BigInt(`0x${randomBytes(bits / 8).toString('hex')}`);

/** The primes up to a bound, 2 included. */
function primes(upTo: number): bigint[] {
  const found: bigint[] = [];
  for (let n = 2n; n <= BigInt(upTo); n++) if (found.every((prime) => n % prime !== 0n)) found.push(n);
  return found;
}

/** A modulus as the broken library made them: a power of 65537 modulo the product of small primes. */
function rocaModulus(bits: number): Buffer {
  const product = primes(167).reduce((all, prime) => all * prime, 1n);
  let power = 1n;
  for (let left = 1_000 + randomBytes(1).readUInt8(); left > 0; left--) power = (power * 65_537n) % product;
  const top = 1n << BigInt(bits - 1);
  return bytes(((top + random(bits - 8)) / product) * product + power);
}

const good = modulusOf(2048);

test.each([
  ['a good key', good, F4, undefined],
  ['leading zeros', Buffer.concat([Buffer.alloc(3), good]), F4, undefined],
  ['exponent 3', good, Buffer.from([3]), undefined],
  ['1024 bits', modulusOf(1024), F4, 'rsa_too_small'],
  ['2040 bits', modulusOf(2040), F4, 'rsa_too_small'],
  ['1024 bits behind zeros', Buffer.concat([Buffer.alloc(128), modulusOf(1024)]), F4, 'rsa_too_small'],
  ['no modulus', Buffer.alloc(0), F4, 'rsa_too_small'],
  ['16384 bits', bytes((1n << 16_383n) + 1n), F4, 'rsa_too_large'],
  ['exponent 1', good, Buffer.from([1]), 'rsa_exponent'],
  ['exponent 0', good, Buffer.from([0]), 'rsa_exponent'],
  ['no exponent', good, Buffer.alloc(0), 'rsa_exponent'],
  ['an even exponent', good, Buffer.from([4]), 'rsa_exponent'],
  ['an exponent of 65 bits', good, bytes((1n << 64n) + 1n), 'rsa_exponent'],
  ['an even modulus', bytes(BigInt(`0x${good.toString('hex')}`) + 1n), F4, 'rsa_small_factor'],
  ['a modulus divisible by 3', bytes(3n * ((1n << 2047n) + 1n)), F4, 'rsa_small_factor'],
  ['the fingerprint of ROCA, 2048 bits', rocaModulus(2048), F4, 'rsa_roca'],
  ['the fingerprint of ROCA, 4096 bits', rocaModulus(4096), F4, 'rsa_roca'],
])('%s: %s', (_what, modulus, exponent, want) => {
  expect(rsaWeakness(modulus, exponent)).toBe(want);
});

test('keys of a sound library do not have the fingerprint', () => {
  for (let i = 0; i < 200; i++) {
    const modulus = Buffer.from(good);
    randomBytes(64).copy(modulus, 128);
    expect(rsaWeakness(modulus, F4)).not.toBe('rsa_roca');
  }
});
