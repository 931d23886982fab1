import { malformedPolicy, Unsupported } from '../errors.ts';
import { isMultiple, type Context } from './context.ts';

export type Matcher = (value: string, context: Context) => boolean;

export interface PatternOptions {
  /** `${...}` means something: the document's Version is 2012-10-17. */
  readonly variables: boolean;
  /** `*` and `?` are wildcards. */
  readonly wildcards: boolean;
  readonly ignoreCase?: boolean;
  /** The first five parts of an ARN are matched each for itself: no wildcard goes past a colon there. */
  readonly arn?: boolean;
}

type Token =
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'wildcard'; readonly text: '*' | '?' }
  | { readonly is: 'variable'; readonly key: string; readonly otherwise: string | undefined };

/** How a text of a policy is compared with a value of a request. A variable without a value matches nothing. */
export function pattern(text: string, options: PatternOptions): Matcher {
  const tokens = tokensOf(text, options);
  if (tokens.some(({ is }) => is === 'variable')) {
    return (value, context) => regexpOf(tokens, options, context)?.test(value) === true;
  }
  const regexp = regexpOf(tokens, options, () => undefined);
  return (value) => regexp?.test(value) === true;
}

function tokensOf(text: string, { variables, wildcards }: PatternOptions): Token[] {
  const parts = variables ? text.split(/(\$\{[^}]*\}|[*?])/u) : text.split(/([*?])/u);
  return parts.filter((part) => part !== '').map((part) => tokenOf(part, variables, wildcards));
}

function tokenOf(part: string, variables: boolean, wildcards: boolean): Token {
  if (part === '*' || part === '?') return wildcards ? { is: 'wildcard', text: part } : { is: 'text', text: part };
  if (!variables || !part.includes('${')) return { is: 'text', text: part };
  const inside = /^\$\{([^}]*)\}$/u.exec(part)?.[1];
  if (inside === undefined) throw malformedPolicy(`The policy has an unclosed variable: ${part}`);
  if (inside === '*' || inside === '?' || inside === '$') return { is: 'text', text: inside };
  const [, key, otherwise] = /^\s*([^,\s]+)\s*(?:,\s*'([^']*)'\s*)?$/u.exec(inside) ?? [];
  if (key === undefined) throw malformedPolicy(`The policy has a variable that cannot be read: ${part}`);
  if (isMultiple(key)) throw new Unsupported(`${part}: a key of several values is no variable`);
  return { is: 'variable', key, otherwise };
}

function regexpOf(tokens: readonly Token[], options: PatternOptions, context: Context): RegExp | undefined {
  let source = '';
  let colons = 0;
  for (const token of tokens) {
    const text = token.is === 'variable' ? (context(token.key)?.[0] ?? token.otherwise) : token.text;
    if (text === undefined) return undefined;
    if (token.is === 'wildcard') {
      const any = options.arn === true && colons < 5 ? '[^:]' : '[^]';
      source += text === '*' ? `${any}*` : any;
    } else {
      colons += text.split(':').length - 1;
      source += text.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, options.ignoreCase === true ? 'iu' : 'u');
}
