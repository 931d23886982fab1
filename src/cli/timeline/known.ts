import type { TaskTimeline } from '../../client/index.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { Json, JsonObject } from '../../domain/json.ts';

/** By what another system's records name the credentials of a task. */
export interface Known {
  /** Grant to its task. */
  readonly grants: ReadonlyMap<string, string | undefined>;
  /** A value of a handle (an accessor, an access key, a session) to its grant. */
  readonly handles: ReadonlyMap<string, string>;
}

/** Handles are data of their provider: every text in one may be what another record names. */
export function knownOf(timeline: TaskTimeline): Known {
  const tasks = new Map<string, string | undefined>();
  for (const { event } of timeline.entries) {
    if (typeof event['grant'] === 'string')
      tasks.set(event['grant'], typeof event['task'] === 'string' ? event['task'] : undefined);
  }
  const handles = new Map<string, string>();
  for (const { grant, handle } of timeline.credentials) {
    if (!tasks.has(grant)) tasks.set(grant, undefined);
    for (const value of textsOf(handle)) handles.set(value, grant);
  }
  return { grants: tasks, handles };
}

/** Shorter texts are words such as a mode, and name nothing. */
const SHORTEST = 8;

function textsOf(value: Json | undefined): string[] {
  if (typeof value === 'string') return value.length >= SHORTEST ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return isJsonObject(value) ? Object.values(value).flatMap(textsOf) : [];
}

/** The grant that the name of a session, a token or a login was made from: `writ-GRANT-MINT`, `token-writ-GRANT`. */
export function grantNamed(name: string, known: Known): string | undefined {
  const found = /(?:^|[:/-])writ-(g[0-9a-z]{12})(?![0-9a-z])/.exec(name)?.[1];
  return found !== undefined && known.grants.has(found) ? found : undefined;
}

/** The value at a path of members. */
export function at(object: JsonObject, ...path: readonly string[]): Json | undefined {
  let value: Json | undefined = object;
  for (const name of path) value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}
