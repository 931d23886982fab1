/** Text with `{claim}` placeholders, such as `agent:{sub}`; a claim is a path as `claimAt` takes it. */
export interface Template {
  /** `undefined` when a value is. */
  render(value: Value): string | undefined;
}

/**
 * A claim's text. `separator` is the character that keeps it apart from the next claim: where the text may not contain
 * it, two different sets of claims never give the same whole.
 */
export type Value = (claim: string, separator: string | undefined) => string | undefined;

type Piece = { readonly claim: string } | { readonly literal: string };

const PIECES = /\{([^{}]+)\}|([^{}]+)|([{}])/g;

/** Placeholders must be kept apart by literal text. @throws Error with a message for whoever wrote the template. */
export function parseTemplate(text: string): Template {
  const pieces: Piece[] = [];
  for (const [, claim, literal, stray] of text.matchAll(PIECES)) {
    if (stray !== undefined) throw new Error('has a brace without its other half');
    if (literal !== undefined) pieces.push({ literal });
    else if (claim !== undefined) {
      const before = pieces.at(-1);
      if (before && 'claim' in before) throw new Error('needs text between two claims');
      pieces.push({ claim });
    }
  }
  const last = pieces.findLastIndex((piece) => 'claim' in piece);
  if (last < 0) throw new Error('names no {claim}');

  return {
    render(value) {
      let rendered = '';
      for (const [index, piece] of pieces.entries()) {
        if ('literal' in piece) rendered += piece.literal;
        else {
          const next = index < last ? pieces[index + 1] : undefined;
          const text = value(piece.claim, next && 'literal' in next ? next.literal.charAt(0) : undefined);
          if (text === undefined) return undefined;
          rendered += text;
        }
      }
      return rendered;
    },
  };
}
