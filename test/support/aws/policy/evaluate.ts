import type { Context } from './context.ts';
import type { Policy, Statement } from './document.ts';

export interface Question {
  readonly action: string;
  readonly resource: string;
  readonly context: Context;
}

export type Verdict = 'allow' | 'explicit deny' | 'implicit deny';

/** Policies that count together: an Allow of any is enough, a Deny of any decides. */
export type Layer = readonly Policy[];

export function applies(statement: Statement, { action, resource, context }: Question): boolean {
  return statement.action(action) && statement.resource(resource, context) && statement.condition(context);
}

export function judgeLayer(layer: Layer, question: Question): Verdict {
  return judgeStatements(
    layer.flatMap(({ statements }) => statements),
    question,
  );
}

export function judgeStatements(statements: readonly Statement[], question: Question): Verdict {
  const effects = statements.filter((statement) => applies(statement, question)).map(({ effect }) => effect);
  return effects.includes('Deny') ? 'explicit deny' : effects.includes('Allow') ? 'allow' : 'implicit deny';
}

/** The intersection of layers: every one must allow, and none may deny. */
export function judge(layers: readonly Layer[], question: Question): Verdict {
  const verdicts = layers.map((layer) => judgeLayer(layer, question));
  if (verdicts.includes('explicit deny')) return 'explicit deny';
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === 'allow') ? 'allow' : 'implicit deny';
}
