import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Secret } from '../domain/secret.ts';
import type { Report } from './check.ts';
import type { EncryptionKeyEntry } from './settings-schema.ts';
import type { EncryptionKey } from './settings.ts';

const KEY_BYTES = 32;
const WANTED = `base64 of ${KEY_BYTES} bytes, such as \`openssl rand -base64 ${KEY_BYTES}\` prints`;

/** The key-encryption keys, each given in place (from the environment, that is) or by a file beside `writ.yaml`. */
export async function readEncryptionKeys(
  entries: readonly EncryptionKeyEntry[],
  directory: string,
  report: Report,
): Promise<EncryptionKey[]> {
  const keys: EncryptionKey[] = [];
  for (const [index, entry] of entries.entries()) {
    const path = ['keys', 'encryption', index];
    if (entries.findIndex(({ id }) => id === entry.id) < index) report([...path, 'id'], '{value} is there twice');
    if (entry.file === undefined) {
      const key = decode(entry.key ?? '');
      if (entry.key === undefined) report([...path, 'key'], 'is required, or else file');
      else if (key) keys.push({ id: entry.id, key });
      else report([...path, 'key'], `must be ${WANTED}`);
    } else {
      if (entry.key !== undefined) report([...path, 'file'], 'is given beside key: one of the two');
      const written = await readFile(resolve(directory, entry.file), 'utf8').catch(() => undefined);
      const key = decode(written?.trim() ?? '');
      if (written === undefined) report([...path, 'file'], '{value} cannot be read');
      else if (!key) report([...path, 'file'], `{value} must hold ${WANTED}`);
      else keys.push({ id: entry.id, key });
    }
  }
  return keys;
}

function decode(written: string): Secret<Uint8Array> | undefined {
  const bytes = Buffer.from(written, 'base64');
  return bytes.length === KEY_BYTES && bytes.toString('base64') === written
    ? new Secret(new Uint8Array(bytes))
    : undefined;
}
