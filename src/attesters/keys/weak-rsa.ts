/** Small primes of the ROCA fingerprint, after 2. Keys of all sizes from 512 bits were built over at least these. */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/** Signatures of larger keys cost too much to verify for whoever sends them. */
const MAX_BITS = 8_192;
const MIN_BITS = 2_048;

/**
 * Why an RSA public key must not be trusted, or `undefined`. Length: RFC 7518 §3.3. Exponent: odd, at least 3
 * (with 1 everything verifies), no longer than 64 bits. ROCA: CVE-2017-15361.
 */
export function rsaWeakness(modulus: Uint8Array, exponent: Uint8Array): string | undefined {
  const n = toBigInt(modulus);
  const e = toBigInt(exponent);
  const bits = n.toString(2).length;
  if (bits < MIN_BITS) return 'rsa_too_small';
  if (bits > MAX_BITS) return 'rsa_too_large';
  if (e < 3n || e % 2n === 0n || e >= 2n ** 64n) return 'rsa_exponent';
  if (n % 2n === 0n || PRIMES.some((prime) => n % BigInt(prime) === 0n)) return 'rsa_small_factor';
  if (PRIMES.every((prime) => isPowerOf65537(Number(n % BigInt(prime)), prime))) return 'rsa_roca';
  return undefined;
}

/**
 * The broken library made primes of the form k·M + (65537^a mod M), M the product of small primes; so the modulus is a
 * power of 65537 modulo each of them, which for another key happens once in 2^27.
 * Nemec et al., The Return of Coppersmith's Attack, §2.
 */
function isPowerOf65537(residue: number, prime: number): boolean {
  const step = 65_537 % prime;
  let power = 1;
  do {
    if (power === residue) return true;
    power = (power * step) % prime;
  } while (power !== 1);
  return false;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}
