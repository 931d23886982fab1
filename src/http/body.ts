import express from 'express';
import type { RequestHandler } from 'express';
import type { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { isText } from '../domain/json.ts';
import type { Req, Res, Step } from './context.ts';
import { hasDuplicateMember } from './unique-members.ts';

/** One thing that is wrong with a request: the path of a member, or the name of a header. No value is repeated. */
export type RequestFault = Readonly<{ path: string; problem: string }>;

/** Deeper than anything that a request has. */
const MAX_DEPTH = 16;

/** Reads a body of JSON. @throws an error with `status` 400, 413 or 415. */
export const jsonBody = (limit: string): RequestHandler =>
  ofType('application/json', express.json({ limit, strict: true }));

/**
 * The same for what others will read as well: each member stands once, and the text is UTF-8.
 * @throws as `jsonBody`, and Refusal `invalid_request`.
 */
export const unambiguousJson = (limit: string): RequestHandler =>
  ofType('application/json', express.json({ limit, strict: true, verify: mustBeUnambiguous }));

function mustBeUnambiguous(_req: unknown, _res: unknown, body: Buffer, encoding: string): void {
  const problem = encoding !== 'utf-8' ? 'is not UTF-8' : hasDuplicateMember(body) ? 'has a member twice' : undefined;
  if (problem !== undefined) throw new Refusal('invalid_request', { errors: [{ path: '', problem }] });
}

/** Reads a form, one value a name. @throws as `jsonBody`. */
export const formBody = (limit: string): RequestHandler =>
  ofType('application/x-www-form-urlencoded', express.urlencoded({ extended: false, limit }));

/** A body of another type would be passed over, and the request taken for one without a body. */
function ofType(type: string, read: RequestHandler): RequestHandler {
  return (req, res, next) => {
    const empty = req.headers['content-length'] === '0';
    if (!empty && req.is(type) === false) next(new UnsupportedType());
    else read(req, res, next);
  };
}

class UnsupportedType extends Error {
  readonly status = 415;
}

/** A handler behind its parsed body. @throws Refusal `invalid_request` with every fault at once, `others` included. */
export function body<Schema extends z.ZodType>(
  schema: Schema,
  handle: (input: z.output<Schema>, req: Req, res: Res) => Promise<void>,
  others: (req: Req) => readonly RequestFault[] = () => [],
): Step {
  return async (req, res) => {
    await handle(parse(schema, req.body ?? {}, 'body', others(req)), req, res);
  };
}

/** The same for the query. */
export function query<Schema extends z.ZodType>(
  schema: Schema,
  handle: (input: z.output<Schema>, req: Req, res: Res) => Promise<void>,
): Step {
  return async (req, res) => {
    await handle(parse(schema, req.query, 'query', []), req, res);
  };
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: string,
  others: readonly RequestFault[],
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  const faults = [
    ...(parsed.error?.issues ?? []).flatMap((issue) => faultsOf(issue, where)),
    ...unseen(value),
    ...others,
  ];
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new Refusal('invalid_request', { errors: faults });
}

function faultsOf(issue: z.core.$ZodIssue, where: string): RequestFault[] {
  const at = (path: readonly PropertyKey[]) => path.map(String).join('.') || where;
  if (issue.code !== 'unrecognized_keys') return [{ path: at(issue.path), problem: issue.message }];
  return issue.keys.map((key) => ({ path: at([...issue.path, key]), problem: UNKNOWN }));
}

const UNKNOWN = 'unknown member';

/** What a schema does not see: zod drops `__proto__` without a word, and the ledger keeps neither U+0000 nor half a character. */
function unseen(value: unknown): RequestFault[] {
  const faults: RequestFault[] = [];
  const open: [unknown, readonly string[]][] = [[value, []]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, path] = next;
    const fault = (problem: string) => void faults.push({ path: path.join('.'), problem });
    if (typeof node === 'string' && !isText(node)) fault('has a character that cannot be kept');
    if (typeof node !== 'object' || node === null) continue;
    if (path.length === MAX_DEPTH) {
      fault('is nested too deeply');
      continue;
    }
    for (const [key, member] of Object.entries(node)) {
      if (key === '__proto__') faults.push({ path: [...path, key].join('.'), problem: UNKNOWN });
      if (!isText(key)) fault('has a member whose name cannot be kept');
      open.push([member, [...path, key]]);
    }
  }
  return faults;
}
