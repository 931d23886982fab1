import pino from 'pino';
import { Fault, ProviderError, Refusal } from './domain/errors.ts';
import type { Log } from './exchange/context.ts';

const MAX_CAUSES = 5;
/** Messages that quote their input, or a peer's words, are left out: a secret may be among them. */
const PLAIN_ERRORS: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'AssertionError']);

/**
 * Structured lines in JSON. Nothing is redacted by its name: secrets travel as `Secret`, which writes itself as `[secret]`, and
 * errors are written by type: codes and where they come from, and never what a peer said.
 */
export function makeLog(level: string, destination: 1 | 2): Log {
  const serializers = { error: (error: unknown) => describe(error, 0), cause: (error: unknown) => describe(error, 0) };
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers },
    pino.destination({ fd: destination, sync: false }),
  );
}

function describe(error: unknown, depth: number): unknown {
  if (!(error instanceof Error) || depth === MAX_CAUSES) return undefined;
  const code = (error as { code?: unknown }).code;
  const own = error instanceof Refusal || error instanceof Fault || error instanceof ProviderError;
  const cause = describe(error.cause, depth + 1);
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    ...(own || PLAIN_ERRORS.has(error.name) ? { message: error.message } : {}),
    ...(own ? {} : { at: frames(error) }),
    ...(cause === undefined ? {} : { cause }),
  };
}

function frames(error: Error): string[] {
  const lines = error.stack?.split('\n').filter((line) => line.trimStart().startsWith('at ')) ?? [];
  return lines.slice(0, 6).map((line) => line.trim());
}
