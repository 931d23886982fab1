import { readFile } from 'node:fs/promises';
import { WritError } from './error.ts';

/** A token, or how to get one; asked before each request, so that a rotated token is picked up. */
export type TokenSource = string | (() => string | Promise<string>);

/**
 * What a workload shows for its identity: the file that `WRIT_IDENTITY_TOKEN_FILE` names, read anew each time because
 * whoever projects it rotates it, or else `WRIT_IDENTITY_TOKEN`.
 * @throws WritError `identity_token_missing`, when called, with the variable and what is wrong with it.
 */
export function credentialSource(env: Readonly<Record<string, string | undefined>>): () => Promise<string> {
  return async () => {
    const file = env['WRIT_IDENTITY_TOKEN_FILE'];
    if (file) return readToken(file);
    const token = env['WRIT_IDENTITY_TOKEN']?.trim();
    if (!token) throw missing('neither WRIT_IDENTITY_TOKEN_FILE nor WRIT_IDENTITY_TOKEN is set');
    return token;
  };
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw missing(`WRIT_IDENTITY_TOKEN_FILE cannot be read: ${code} ${file}`);
  });
  const token = text.trim();
  if (token === '') throw missing(`WRIT_IDENTITY_TOKEN_FILE is empty: ${file}`);
  return token;
}

function missing(title: string): WritError {
  return new WritError({ status: 0, code: 'identity_token_missing', title });
}
