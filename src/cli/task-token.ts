import { readFile } from 'node:fs/promises';
import type { Environment } from './context.ts';
import { CliError, EXIT } from './exit.ts';

/**
 * The token of the task that a workload is on: the file that `WRIT_TASK_TOKEN_FILE` names, or else `WRIT_TASK_TOKEN`; undefined
 * where it is on none. @throws CliError `task_token_missing` for a file that cannot be read: a task is never passed over.
 */
export async function readTaskToken(env: Environment): Promise<string | undefined> {
  const file = env['WRIT_TASK_TOKEN_FILE'];
  if (!file) return env['WRIT_TASK_TOKEN']?.trim() || undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw missing(`WRIT_TASK_TOKEN_FILE cannot be read: ${code} ${file}`);
  });
  const token = text.trim();
  if (token === '') throw missing(`WRIT_TASK_TOKEN_FILE is empty: ${file}`);
  return token;
}

export function missing(sentence: string): CliError {
  return new CliError('task_token_missing', sentence, { exit: EXIT.usage });
}
