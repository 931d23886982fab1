import { z } from 'zod';
import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { SEMANTICS } from '../exchange/call-question.ts';
import type { CallQuestion, Semantic } from '../exchange/call-question.ts';
import type { RequestFault } from './body.ts';

/**
 * Requests of AuthZEN 1.0. Members that are not known are ignored, as the standard says; what is known is held to its type, because
 * a grant or an approval that cannot be read must not count as none.
 */
const text = z.string().min(1).max(2_048);

const subject = z.object({
  type: text,
  id: text,
  properties: z.object({ trust: text.optional() }).optional(),
});
const action = z.object({ name: text });
const resource = z.object({ type: text, id: z.string().min(1).max(200) });
const context = z.object({
  arguments: z.custom<JsonObject>((value) => isJsonObject(value as Json), 'must be a map of members').optional(),
  grant: text.optional(),
  task: text.optional(),
  /** By its id, or as the Access Request and Approval Profile hands it on; whatever else that says is not looked at. */
  approval: z.union([text, z.object({ id: text }).transform(({ id }) => id)]).optional(),
});

export const EvaluationBody = z.object({ subject: subject.optional(), action, resource, context: context.optional() });
export const EvaluationsBody = z.object({
  subject: subject.optional(),
  action: action.optional(),
  resource: resource.optional(),
  context: context.optional(),
  evaluations: z.array(EvaluationBody.partial()).optional(),
  options: z.object({ evaluations_semantic: z.enum(SEMANTICS).optional() }).optional(),
});

export const MAX_EVALUATIONS = 100;

export type ReadItem =
  | { readonly ok: true; readonly question: CallQuestion }
  | { readonly ok: false; readonly faults: readonly RequestFault[] };

/** One request, or one item of many with the defaults laid under it: each of its members as a whole. */
export function readItem(given: Json, defaults: JsonObject = {}): ReadItem {
  if (!isJsonObject(given)) return { ok: false, faults: [{ path: '', problem: 'must be a map of members' }] };
  const parsed = EvaluationBody.safeParse({ ...defaults, ...given });
  if (!parsed.success) return { ok: false, faults: faultsOf(parsed.error) };
  const { subject: who, action: what, resource: on, context: under } = parsed.data;
  const trust = who?.properties?.trust;
  return {
    ok: true,
    question: {
      ...(who ? { subject: { type: who.type, id: who.id, ...(trust === undefined ? {} : { trust }) } } : {}),
      action: what.name,
      resource: { type: on.type, id: on.id },
      arguments: under?.arguments ?? {},
      ...(under?.grant === undefined ? {} : { grant: under.grant }),
      ...(under?.task === undefined ? {} : { task: under.task }),
      ...(under?.approval === undefined ? {} : { approval: under.approval }),
    },
  };
}

export interface ManyItems {
  readonly items: readonly ReadItem[];
  readonly semantic: Semantic;
}

/** Undefined where there is no list of requests, or an empty one: it is then a single request. Faults: those of the whole. */
export function readMany(body: JsonObject): ManyItems | { readonly faults: readonly RequestFault[] } | undefined {
  const { evaluations, options } = body;
  if (evaluations === undefined || (Array.isArray(evaluations) && evaluations.length === 0)) return undefined;
  const semantic = isJsonObject(options) ? options['evaluations_semantic'] : undefined;
  const known = SEMANTICS.find((one) => one === (semantic ?? 'execute_all'));
  const faults: RequestFault[] = [];
  if (!Array.isArray(evaluations)) faults.push({ path: 'evaluations', problem: 'must be a list' });
  else if (evaluations.length > MAX_EVALUATIONS)
    faults.push({ path: 'evaluations', problem: `takes at most ${MAX_EVALUATIONS}` });
  if (!known) faults.push({ path: 'options.evaluations_semantic', problem: `must be one of ${SEMANTICS.join(', ')}` });
  if (!known || !Array.isArray(evaluations) || faults.length > 0) return { faults };
  const defaults = Object.fromEntries(
    ['subject', 'action', 'resource', 'context'].flatMap((name): [string, Json][] => {
      const value = body[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return { items: evaluations.map((item: Json) => readItem(item, defaults)), semantic: known };
}

function faultsOf(error: z.ZodError): RequestFault[] {
  return error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), problem: message }));
}
