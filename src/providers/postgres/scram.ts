import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const deriveKey = promisify(pbkdf2);
/** The least that RFC 7677 §4 allows: rounds protect guessable passwords, and these have 256 random bits. */
const ROUNDS = 4096;

export function newPassword(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * What Postgres stores of a password (RFC 5803, as `pg_authid.rolpassword`), made here so that the plain one is never in
 * the server's log. @param password ASCII, so that SASLprep changes nothing.
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  const salted = await deriveKey(password, salt, ROUNDS, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ROUNDS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
