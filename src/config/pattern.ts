import { MAX_PARAMETER_CHARS, anchored } from '../domain/parameters.ts';

/**
 * Why a parameter's pattern is refused, or undefined.
 *
 * JavaScript's engine tries every way in which a pattern can be spread over a value, one after the other; `(a+)+` has
 * 2^256 of them. So the ways are counted from the pattern's structure alone, as if no character ever told them apart, and
 * a pattern that may have more than MAX_WAYS is refused. That bounds the time of a match to some milliseconds whatever
 * the value is. What needs memory of the value (back references, assertions) is refused too, and so are anchors:
 * every pattern is anchored as a whole, and `^a|b$` does not mean what it seems to.
 */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_CHARS) return `must have at most ${MAX_PATTERN_CHARS} characters`;
  try {
    anchored(pattern);
  } catch {
    return 'is not a regular expression (with the u flag)';
  }
  const reader = { text: pattern, at: 0 };
  try {
    if (alternatives(reader) <= MAX_WAYS) return undefined;
  } catch (error) {
    if (error instanceof Unsupported) return error.message;
    throw error;
  }
  return 'could take too long on a hostile value: bound its repetitions, as in [a-z]{1,40}, and do not nest them';
}

const MAX_PATTERN_CHARS = 500;
export const MAX_WAYS = 100_000;

class Unsupported extends Error {}

interface Reader {
  readonly text: string;
  at: number;
}

/** Each function below reads one construct of a valid pattern and answers in how many ways it can match some value. */
function alternatives(reader: Reader): number {
  let ways = sequence(reader);
  while (take(reader, '|')) ways += sequence(reader);
  return ways;
}

function sequence(reader: Reader): number {
  let ways = 1;
  while (reader.at < reader.text.length && !'|)'.includes(peek(reader))) ways *= repeated(reader);
  return ways;
}

function repeated(reader: Reader): number {
  const ways = atom(reader);
  const [least, most] = bounds(reader);
  take(reader, '?'); // lazy: the same ways in another order
  let sum = 0;
  for (let times = least; times <= most && sum <= MAX_WAYS; times++) sum += ways ** times;
  return sum;
}

/** A repetition's bounds; one character a turn at least, so no more turns than a value has characters. */
function bounds(reader: Reader): readonly [number, number] {
  if (take(reader, '*')) return [0, MAX_PARAMETER_CHARS];
  if (take(reader, '+')) return [1, MAX_PARAMETER_CHARS];
  if (take(reader, '?')) return [0, 1];
  const braces = /^\{([0-9]+)(,?)([0-9]*)\}/.exec(reader.text.slice(reader.at));
  if (!braces) return [1, 1];
  const [all, least = '', comma, most = ''] = braces;
  reader.at += all.length;
  const from = clamp(least);
  if (comma === '') return [from, from];
  return [from, most === '' ? MAX_PARAMETER_CHARS : clamp(most)];
}

const clamp = (digits: string) => Math.min(Number(digits), MAX_PARAMETER_CHARS);

function atom(reader: Reader): number {
  if (take(reader, '(')) {
    if (!take(reader, '?:') && peek(reader) === '?')
      throw new Unsupported('must not use (?...) groups other than (?:...)');
    const ways = alternatives(reader);
    take(reader, ')');
    return ways;
  }
  if ('^$'.includes(peek(reader))) throw new Unsupported('is anchored as a whole: leave out ^ and $');
  if (take(reader, '[')) return skipClass(reader);
  if (take(reader, '\\')) return skipEscape(reader);
  reader.at += 1;
  return 1;
}

function skipClass(reader: Reader): number {
  while (!take(reader, ']')) reader.at += peek(reader) === '\\' ? 2 : 1;
  return 1;
}

function skipEscape(reader: Reader): number {
  const escape = /^(?:[pPu]\{[^}]*\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|c[A-Za-z]|.)/su.exec(reader.text.slice(reader.at));
  const name = escape?.[0] ?? '';
  if (/^[1-9k]/.test(name)) throw new Unsupported('must not refer back to a group');
  if (/^[bB]$/.test(name)) throw new Unsupported('must not use \\b or \\B');
  reader.at += name.length;
  return 1;
}

const peek = (reader: Reader) => reader.text.charAt(reader.at);

function take(reader: Reader, expected: string): boolean {
  if (!reader.text.startsWith(expected, reader.at)) return false;
  reader.at += expected.length;
  return true;
}
