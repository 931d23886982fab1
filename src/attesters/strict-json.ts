/** Deeper than any token or key set is; a bound for whoever walks what comes out. */
const MAX_DEPTH = 16;

/** The tokens that matter for structure: strings whole, so that a brace inside one is not taken for one. */
const STRUCTURE = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * JSON in which each name stands once in its object. `JSON.parse` keeps the last of two, other readers the first, and
 * that difference is an attack (RFC 8725 §2.4, RFC 7515 §4). Names are compared as they are meant, escapes undone.
 * @throws SyntaxError, which never quotes the text.
 */
export function parseStrictJson(text: string): unknown {
  const value = parse(text);
  const open: { names: Set<string> | undefined; key: string | undefined }[] = [];
  for (const [token] of text.matchAll(STRUCTURE)) {
    const inside = open.at(-1);
    if (token === '{' || token === '[') {
      if (open.push({ names: token === '{' ? new Set() : undefined, key: undefined }) > MAX_DEPTH) {
        throw new SyntaxError(`JSON deeper than ${MAX_DEPTH}`);
      }
    } else if (token === '}' || token === ']') open.pop();
    else if (!inside?.names) continue;
    else if (token === ':') {
      if (inside.key === undefined || inside.names.has(inside.key)) throw new SyntaxError('a JSON member stands twice');
      inside.names.add(inside.key);
    } else if (token !== ',') inside.key = JSON.parse(token) as string;
  }
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError('not JSON');
  }
}

/** A JSON object, not an array and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
