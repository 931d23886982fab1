import { isJsonObject } from '../../src/domain/json.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';

/**
 * What OCSF 1.8.0 requires of the two classes that events are written in: attributes that must be there, numbers that are known,
 * members that are taken. Written from the published schema, and held against all of it by hand (docs/audit.md, "OCSF").
 */
const ACTIVITIES: Readonly<Record<number, readonly number[]>> = {
  3004: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99],
  6003: [0, 1, 2, 3, 4, 99],
};
const CATEGORIES: Readonly<Record<number, number>> = { 3004: 3, 6003: 6 };
const BASE = ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid'];
const REQUIRED: Readonly<Record<number, readonly string[]>> = {
  3004: [...BASE, 'entity'],
  6003: [...BASE, 'actor', 'api', 'src_endpoint'],
};
const OPTIONAL = ['activity_name', 'actor', 'message', 'status_code', 'status_id', 'src_endpoint', 'unmapped'];
const TAKEN: Readonly<Record<number, readonly string[]>> = {
  3004: [...(REQUIRED[3004] ?? []), ...OPTIONAL, 'comment'],
  6003: [...(REQUIRED[6003] ?? []), ...OPTIONAL, 'resources'],
};

/** Of objects: members that must be there, of which one must be, and all that are taken here. */
interface ObjectShape {
  readonly required?: readonly string[];
  readonly oneOf?: readonly string[];
  readonly taken: readonly string[];
}
const OBJECTS: Readonly<Record<string, ObjectShape>> = {
  metadata: {
    required: ['product', 'version'],
    taken: ['product', 'version', 'uid', 'sequence', 'event_code', 'original_time', 'correlation_uid'],
  },
  'metadata.product': { oneOf: ['name', 'uid'], taken: ['name', 'vendor_name', 'version'] },
  actor: { oneOf: ['user', 'app_name', 'session', 'process'], taken: ['user', 'app_name', 'authorizations'] },
  'actor.user': { oneOf: ['name', 'uid', 'account'], taken: ['name', 'uid', 'domain', 'type_id'] },
  api: { required: ['operation'], taken: ['operation', 'service', 'request'] },
  'api.request': { required: ['uid'], taken: ['uid'] },
  'api.service': { oneOf: ['name', 'uid'], taken: ['name'] },
  src_endpoint: { oneOf: ['ip', 'uid', 'name', 'svc_name'], taken: ['ip', 'svc_name'] },
  entity: { oneOf: ['name', 'uid'], taken: ['name', 'uid', 'type', 'type_id'] },
};

/** What is wrong with a record, a line each. */
export function ocsfFaults(record: JsonObject): string[] {
  const found: string[] = [];
  const uid = Number(record['class_uid']);
  const activity = Number(record['activity_id']);
  const required = REQUIRED[uid];
  if (!required) return [`class ${uid} is not known`];
  found.push(...required.filter((name) => record[name] === undefined).map((name) => `${name} is missing`));
  found.push(
    ...Object.keys(record)
      .filter((name) => !TAKEN[uid]?.includes(name))
      .map((name) => `${name} is not taken`),
  );
  if (!ACTIVITIES[uid]?.includes(activity)) found.push(`activity ${activity} is not known`);
  if (activity === 99 && !record['activity_name']) found.push('another activity needs its name');
  if (record['category_uid'] !== CATEGORIES[uid]) found.push('another category');
  if (record['type_uid'] !== uid * 100 + activity) found.push('type_uid is not of class and activity');
  if (![0, 1, 2, 3, 4, 5, 6, 99].includes(Number(record['severity_id']))) found.push('an unknown severity');
  if (![0, 1, 2, 99].includes(Number(record['status_id']))) found.push('an unknown status');
  if (!Number.isSafeInteger(record['time'])) found.push('time is not in milliseconds');
  for (const [path, shape] of Object.entries(OBJECTS)) {
    const value = path
      .split('.')
      .reduce<Json | undefined>((at, name) => (isJsonObject(at) ? at[name] : undefined), record);
    if (value !== undefined) found.push(...objectFaults(path, value, shape));
  }
  return found;
}

function objectFaults(path: string, value: Json, { required = [], oneOf = [], taken }: ObjectShape): string[] {
  if (!isJsonObject(value)) return [`${path} is no object`];
  return [
    ...required.filter((name) => value[name] === undefined).map((name) => `${path}.${name} is missing`),
    ...(oneOf.length > 0 && !oneOf.some((name) => value[name] !== undefined) ? [`${path} says nothing`] : []),
    ...Object.keys(value)
      .filter((name) => !taken.includes(name))
      .map((name) => `${path}.${name} is not taken`),
  ];
}
