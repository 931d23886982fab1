/** One policy of a file, with what is needed to say where something in it stands. */
export interface PolicyText {
  /** From the end of the policy before, comments included, to its semicolon. */
  readonly text: string;
  /** The same length, with comments and the contents of strings blanked out. */
  readonly bare: string;
  /** The 1-based line on which `text` begins. */
  readonly line: number;
}

/**
 * Takes a file of Cedar apart at the semicolons that end its policies. Cedar's own way of doing that forgets where they
 * stood and sorts them. Strings and comments are the only places where a semicolon means nothing.
 */
export function splitPolicies(text: string): PolicyText[] {
  const bare = blank(text);
  const found: PolicyText[] = [];
  let from = 0;
  for (let end = bare.indexOf(';') + 1; from < bare.length; end = bare.indexOf(';', from) + 1) {
    const to = end === 0 ? bare.length : end;
    if (bare.slice(from, to).trim() !== '') {
      found.push({ text: text.slice(from, to), bare: bare.slice(from, to), line: newlines(text.slice(0, from)) + 1 });
    }
    from = to;
  }
  return found;
}

/** A string or a comment that runs to the end of its line; an unfinished string runs to the end of the text. */
const OPAQUE = /"(?:[^"\\]|\\.)*"?|\/\/[^\n]*/gs;

function blank(text: string): string {
  return text.replace(OPAQUE, (opaque) => {
    if (opaque.startsWith('//')) return ' '.repeat(opaque.length);
    return `"${opaque.slice(1).replace(/[^\n"]/g, ' ')}`;
  });
}

/** The line of a place in a policy that Cedar names by its offset in UTF-8 bytes. */
export function lineOfByte({ text, line }: PolicyText, byte: number): number {
  return line + newlines(Buffer.from(text).subarray(0, byte).toString());
}

/** The line of an annotation; without a name, of the policy's first word. */
export function lineOfAnnotation({ bare, line }: PolicyText, name?: string): number {
  const place = bare.search(name === undefined ? /\S/ : new RegExp(`@\\s*${name}\\b`));
  return line + newlines(bare.slice(0, Math.max(place, 0)));
}

const newlines = (text: string) => text.split('\n').length - 1;
