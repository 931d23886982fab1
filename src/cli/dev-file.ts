import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError, EXIT } from './exit.ts';

/** What the embedded default leaves for its clients (CONTRACT, *Commands*). */
export interface DevFile {
  readonly path: string;
  readonly url: string;
  readonly operators: Readonly<Record<string, string>>;
}

/**
 * Reads `.writ/dev.json` of the working directory; `undefined` when there is none. It must name a loopback address: a
 * directory that somebody else made must not decide where tokens are sent.
 */
export async function readDevFile(cwd: string): Promise<DevFile | undefined> {
  const path = join('.writ', 'dev.json');
  let text: string;
  try {
    text = await readFile(join(cwd, path), 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw invalid(path, `cannot be read (${code})`);
  }
  const { url, operators } = objectIn(path, text);
  if (typeof url !== 'string' || !URL.canParse(url)) throw invalid(path, 'has no url');
  if (!isLoopback(new URL(url))) throw invalid(path, 'names an address that is not this machine');
  return { path, url, operators: stringsIn(operators) };
}

export function isLoopback(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(url.hostname);
}

function objectIn(path: string, text: string): { readonly url?: unknown; readonly operators?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // its text holds tokens: it is not repeated
  }
  throw invalid(path, 'is not a JSON object');
}

function stringsIn(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function invalid(path: string, fault: string): CliError {
  return new CliError('dev_file_invalid', `${path} ${fault}`, {
    exit: EXIT.usage,
    help: 'set WRIT_URL and the tokens yourself',
  });
}
