import { z } from 'zod';
import { TASK_MODES } from '../domain/task.ts';
import { parseId } from '../domain/ids.ts';
import type { TaskId } from '../domain/ids.ts';
import { anyTime } from './time.ts';

const MAX_NAMES = 50;
const MAX_COUNT = 1_000_000;
const MAX_TTL_SECONDS = 2_592_000;
const MAX_PURPOSE = 1_000;

export const purpose = z.string().min(1).max(MAX_PURPOSE);
/** Names of environments, profiles and tools: what a `scope` can hold (RFC 6749 §3.3). */
const word = z
  .string()
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters, without " and \\');
const words = z.array(word).max(MAX_NAMES);
const count = z.int().min(1).max(MAX_COUNT);

/** On whose behalf: a name, which policies must let this workload give, or a token of theirs. */
export const onBehalfOf = z.union([
  z
    .string()
    .min(1)
    .max(500)
    .regex(/^[^\p{C}]+$/u, 'has characters that nobody sees'),
  z.strictObject({ token: z.string().min(1).max(8_192) }),
]);

export const taskId = z
  .string()
  .refine((text) => parseId('task', text) !== undefined, 'is not the id of a task')
  .transform((text) => text as TaskId);

/** What bounds a task; each can be asked for where a task is made and where one is handed on. */
export const bounds = {
  mode: z.enum(TASK_MODES),
  environment: word,
  environments: words.min(1).optional(),
  ends_at: anyTime.optional(),
  max_grants: count.optional(),
  max_calls: count.optional(),
  profiles: words.optional(),
  tools: words.optional(),
  parameters: z.record(z.string().min(1).max(100), z.array(z.string().max(256)).min(1).max(MAX_NAMES)).optional(),
  max_ttl_seconds: z.int().min(1).max(MAX_TTL_SECONDS).optional(),
};

/** A member that is left out of an answer of zod is left out here too: an explicit `undefined` would count as a wish. */
export function without<T extends object>(members: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]: Exclude<T[Name], undefined>;
  };
}
