import type { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import type { Req, Res, Step } from './context.ts';

/** A handler behind its parsed body. @throws Refusal `invalid_request` with every fault at once. */
export function body<Schema extends z.ZodType>(
  schema: Schema,
  handle: (input: z.output<Schema>, req: Req, res: Res) => Promise<void>,
): Step {
  return async (req, res) => {
    await handle(parse(schema, req.body ?? {}, 'body'), req, res);
  };
}

/** The same for the query. */
export function query<Schema extends z.ZodType>(
  schema: Schema,
  handle: (input: z.output<Schema>, req: Req, res: Res) => Promise<void>,
): Step {
  return async (req, res) => {
    await handle(parse(schema, req.query, 'query'), req, res);
  };
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const hidden = protoMember(value, '');
  const parsed = schema.safeParse(value);
  if (parsed.success && hidden === undefined) return parsed.data;
  const faults = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => ({ path: path.join('.') || where, problem: message }));
  // zod drops such a member without a word
  if (hidden !== undefined) faults.push({ path: hidden, problem: 'unknown member' });
  throw new Refusal('invalid_request', { errors: faults });
}

/** The path of a member called `__proto__`, at any depth. */
function protoMember(value: unknown, path: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const key of Object.keys(value)) {
    const here = path === '' ? key : `${path}.${key}`;
    if (key === '__proto__') return here;
    const deeper = protoMember((value as Record<string, unknown>)[key], here);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}
