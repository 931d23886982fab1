import { z } from 'zod';
import { parse } from 'yaml';
import { codesOf } from './pages.ts';
import type { Section } from './pages.ts';

/** One member as a schema or a page has it. `NAME` stands for a name that is free to choose, `[]` for items of a list. */
export interface Member {
  readonly path: string;
  readonly required: boolean;
  /** Undefined where there is none. */
  readonly fallback: unknown;
}

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Shape | boolean;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly default?: unknown;
}

/** Every member that a schema takes, at any depth, as it is written. */
export function membersOf(schema: z.ZodType): Member[] {
  return walk(shapeOf(schema, 'input'), shapeOf(schema, 'output'), '', true);
}

/** A number that may be text is a pipe, whose default only what comes out of it has. */
function shapeOf(schema: z.ZodType, io: 'input' | 'output'): Shape {
  return JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: 'any' }))) as Shape;
}

/** Of a member that has several forms, the one with members is what pages describe. */
function formOf(shape: Shape): Shape {
  return shape.anyOf?.find(({ properties }) => properties) ?? shape;
}

function walk(form: Shape, outcome: Shape | undefined, path: string, required: boolean): Member[] {
  const [written, read] = [formOf(form), outcome && formOf(outcome)];
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  const { properties, additionalProperties: any, items } = written;
  if (properties) {
    return Object.entries(properties).flatMap(([name, member]) =>
      walk(member, read?.properties?.[name], at(name), written.required?.includes(name) ?? false),
    );
  }
  const itself: Member = { path, required, fallback: written.default ?? read?.default };
  if (typeof any === 'object' && formOf(any).properties) return walk(any, undefined, at('NAME'), true);
  if (items?.properties) return [itself, ...walk(items, undefined, `${path}[]`, true)];
  return [itself];
}

/** Every member that a section's tables name: the first cell is the path, `column` is the one with the default. */
export function writtenMembers({ rows }: Section, column: number): Member[] {
  return rows.map((cells) => {
    const [path = ''] = codesOf(cells[0] ?? '');
    const cell = cells[column] ?? '';
    const code = /^`([^`]+)`$/.exec(cell)?.[1];
    return {
      path: path.replaceAll(/\b[A-Z]{2,}\b/g, 'NAME'),
      required: cell === 'required',
      fallback: code === undefined ? undefined : (parse(code) as unknown),
    };
  });
}

export const sorted = (members: readonly Member[]): Member[] => [...members].sort((a, b) => (a.path < b.path ? -1 : 1));
