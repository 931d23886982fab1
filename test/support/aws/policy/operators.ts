import { malformedPolicy, Unsupported } from '../errors.ts';
import { pattern, type Matcher, type PatternOptions } from './pattern.ts';

/** An operator of a Condition without its prefix and suffix. */
export interface Operator {
  /** `...Not...`: true where no value of the policy matches. */
  readonly negated: boolean;
  matcher(value: string, variables: boolean): Matcher;
}

type Compare = (value: number, wanted: number) => boolean;

const text =
  (options: Omit<PatternOptions, 'variables'>): Operator['matcher'] =>
  (value, variables) =>
    pattern(value, { ...options, variables });

/** Seconds since 1970 or ISO 8601, as IAM takes either. */
function milliseconds(value: string): number {
  if (/^\d+$/u.test(value)) return Number(value) * 1000;
  return /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:?\d{2}))?$/u.test(value) ? Date.parse(value) : Number.NaN;
}

const decimal = (value: string) => (/^-?\d+(\.\d+)?$/u.test(value) ? Number(value) : Number.NaN);

const ordered =
  (read: (value: string) => number, compare: Compare): Operator['matcher'] =>
  (wanted) => {
    const limit = read(wanted);
    if (Number.isNaN(limit)) throw malformedPolicy(`The condition value "${wanted}" cannot be read`);
    return (value) => compare(read(value), limit);
  };

const bool: Operator['matcher'] = (wanted) => {
  const value = wanted.toLowerCase();
  if (value !== 'true' && value !== 'false') throw malformedPolicy(`The condition value "${wanted}" is no boolean`);
  return (given) => given.toLowerCase() === value;
};

const OPERATORS = new Map<string, Operator>();
const both = (prefix: string, name: string, matcher: Operator['matcher']) => {
  OPERATORS.set(`${prefix}${name}`, { negated: false, matcher });
  OPERATORS.set(`${prefix}Not${name}`, { negated: true, matcher });
};
both('String', 'Equals', text({ wildcards: false }));
both('String', 'EqualsIgnoreCase', text({ wildcards: false, ignoreCase: true }));
both('String', 'Like', text({ wildcards: true }));
both('Arn', 'Equals', text({ wildcards: true, arn: true }));
both('Arn', 'Like', text({ wildcards: true, arn: true }));
for (const [prefix, read] of [['Date', milliseconds] as const, ['Numeric', decimal] as const]) {
  both(
    prefix,
    'Equals',
    ordered(read, (a, b) => a === b),
  );
  const one = (name: string, compare: Compare) =>
    OPERATORS.set(`${prefix}${name}`, { negated: false, matcher: ordered(read, compare) });
  one('LessThan', (a, b) => a < b);
  one('LessThanEquals', (a, b) => a <= b);
  one('GreaterThan', (a, b) => a > b);
  one('GreaterThanEquals', (a, b) => a >= b);
}
OPERATORS.set('Bool', { negated: false, matcher: bool });

const OTHERS = ['IpAddress', 'NotIpAddress', 'BinaryEquals'];

/** Throws for an operator that IAM does not have, and for one that is not built here. */
export function operator(name: string): Operator {
  const found = OPERATORS.get(name);
  if (found) return found;
  if (OTHERS.includes(name)) throw new Unsupported(`the condition operator ${name} is not built here`);
  throw malformedPolicy(`Invalid Condition type : ${name}.`);
}
