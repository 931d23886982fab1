import { stringify } from 'yaml';
import { isJsonObject, type Json, type JsonObject } from './domain/json.ts';

/** An explanation for people: a line for each member, and the plan below them, member by member. */
export function explanationLines({ plan, ...rest }: JsonObject): readonly string[] {
  const lines = Object.entries(rest).map(
    ([name, value]) => `${name.padEnd(12)} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  if (plan === undefined) return lines;
  const text = stringify({ plan: readable(plan) }, { lineWidth: 0, blockQuote: 'literal' });
  return [...lines, ...text.trimEnd().split('\n')];
}

/** A text that is itself JSON, such as a policy, is laid out: with other white space, and nothing else, it is what is sent. */
function readable(value: Json): Json {
  if (typeof value === 'string') return laidOut(value);
  if (Array.isArray(value)) return (value as readonly Json[]).map(readable);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, readable(each)]));
}

function laidOut(text: string): string {
  if (!text.startsWith('{')) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
