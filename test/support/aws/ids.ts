import { randomBytes, randomInt } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function letters(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** `AKIA` and `ASIA` for access keys, `AIDA`, `AROA`, `ANPA` for users, roles and policies. */
export function makeId(prefix: 'AKIA' | 'ASIA' | 'AIDA' | 'AROA' | 'ANPA'): string {
  return `${prefix}${letters(prefix === 'AKIA' || prefix === 'ASIA' ? 16 : 17)}`;
}

export function makeSecretKey(): string {
  return randomBytes(30).toString('base64');
}

/** An opaque token of exactly `size` bytes. */
export function makeToken(size: number): string {
  return `IQoJ${randomBytes(size).toString('base64')}`.slice(0, size);
}
