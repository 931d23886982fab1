import { randomBytes } from 'node:crypto';

/** A name that no other test has: `prefix_` and 12 hexadecimal digits. */
export function randomName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`;
}
