/** What `"`, `\`, `{`, `}`, `[`, `]`, `:` and `,` are in UTF-8. */
const QUOTE = 0x22;
const ESCAPE = 0x5c;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;

/**
 * Whether some object of a JSON text has a member twice. `JSON.parse` keeps the last of the two and other readers the first, so that what is
 * decided on would not be what is done. Names are compared as they are meant, escapes undone. For a text that is no JSON the answer
 * means nothing; it is parsed, and refused, by others.
 */
export function hasDuplicateMember(json: Uint8Array): boolean {
  /** For each open map the names so far; for each open list nothing. */
  const open: (Set<string> | undefined)[] = [];
  let nameNext = false;
  for (let at = 0; at < json.length; at++) {
    switch (json[at] ?? 0) {
      case QUOTE: {
        const end = endOfString(json, at);
        const names = open.at(-1);
        if (nameNext && names) {
          const name = nameAt(json, at, end);
          if (names.has(name)) return true;
          names.add(name);
          nameNext = false;
        }
        at = end;
        break;
      }
      case OPEN_MAP:
        open.push(new Set());
        nameNext = true;
        break;
      case OPEN_LIST:
        open.push(undefined);
        nameNext = false;
        break;
      case CLOSE_MAP:
      case CLOSE_LIST:
        open.pop();
        nameNext = false;
        break;
      case COMMA:
        nameNext = open.at(-1) !== undefined;
        break;
    }
  }
  return false;
}

/** Where its closing quote is; of a text that breaks off, its end. */
function endOfString(json: Uint8Array, start: number): number {
  let end = start + 1;
  while (end < json.length && json[end] !== QUOTE) end += json[end] === ESCAPE ? 2 : 1;
  return Math.min(end, json.length);
}

function nameAt(json: Uint8Array, start: number, end: number): string {
  const written = Buffer.from(json.buffer, json.byteOffset + start + 1, end - start - 1);
  const text = written.toString('utf8');
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
