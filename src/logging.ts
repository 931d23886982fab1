import pino from 'pino';
import { Fault, ProviderError, Refusal } from './domain/errors.ts';
import type { Log } from './exchange/context.ts';

/** Lines are written together, after a moment: each by itself would hold up the next request. What is left is written when the process ends. */
const TOGETHER = { minLength: 4_096, periodicFlush: 50 };
const MAX_CAUSES = 5;
const MAX_FRAMES = 6;
/** What the language itself throws. Messages of all others may quote their input, or a peer's words: a secret may be among them. */
const LANGUAGE_ERRORS: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError']);
/** A code or a name is a word; what is longer, or holds anything else, was put together by a peer. */
const WORD = /^[\w.:-]{1,64}$/;

/**
 * Structured lines in JSON. Nothing is redacted by its name: secrets travel as `Secret`, which writes itself as `[secret]`, and
 * errors are written by type, wherever they stand: codes and where they come from, and never what a peer said.
 */
export function makeLog(level: string, destination: 1 | 2): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        log: (facts) => Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, shown(value)])),
      },
      serializers: { err: shown },
    },
    pino.destination({ fd: destination, sync: false, ...TOGETHER }),
  );
}

function shown(value: unknown): unknown {
  return value instanceof Error ? describe(value, 0) : value;
}

function describe(error: unknown, depth: number): unknown {
  if (!(error instanceof Error) || depth === MAX_CAUSES) return undefined;
  const code = word((error as { code?: unknown }).code);
  const own = error instanceof Refusal || error instanceof Fault || error instanceof ProviderError;
  // Node's own come with a code that says as much, and quote what they were given.
  const plain = own || (LANGUAGE_ERRORS.has(error.name) && code === undefined);
  const cause = describe(error.cause, depth + 1);
  return {
    name: word(error.name),
    ...(code === undefined ? {} : { code }),
    ...(plain ? { message: error.message } : {}),
    ...(own ? {} : { at: frames(error) }),
    ...(cause === undefined ? {} : { cause }),
  };
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' && WORD.test(value) ? value : undefined;
}

/** Where it was thrown. The stack begins with the message, which may have lines that look like frames. */
function frames({ stack = '', message }: Error): string[] {
  const said = stack.indexOf(message);
  if (said < 0) return [];
  const lines = stack.slice(said + message.length).split('\n');
  return lines
    .filter((line) => line.trimStart().startsWith('at '))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim());
}
