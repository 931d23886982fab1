import type { Json, JsonObject } from '../domain/json.ts';
import { isJsonObject } from '../domain/json.ts';

/** The released version of the Open Cybersecurity Schema Framework that events are written in. */
export const OCSF_VERSION = '1.8.0';

const ENTITY_MANAGEMENT = { category: 3, class: 3004 } as const;
const API_ACTIVITY = { category: 6, class: 6003 } as const;

/** What activities of the two classes are called; the numbers are the schema's. */
const ENTITY = { create: 1, read: 2, update: 3, delete: 4, activate: 10, deactivate: 11, other: 99 } as const;
const API = { create: 1, read: 2, other: 99 } as const;

interface Mapping {
  readonly of: typeof ENTITY_MANAGEMENT | typeof API_ACTIVITY;
  readonly activity: number;
}

const entity = (activity: keyof typeof ENTITY): Mapping => ({ of: ENTITY_MANAGEMENT, activity: ENTITY[activity] });
const api = (activity: keyof typeof API): Mapping => ({ of: API_ACTIVITY, activity: API[activity] });

/**
 * By type, and then by the part before the dot. What is decided or called is API activity; everything else is a change of
 * something that Writ keeps. A type that is not here is `Other` of the class that its kind belongs to.
 */
const TYPES: Readonly<Record<string, Mapping>> = {
  'grant.opened': entity('create'),
  'grant.requested': entity('create'),
  'grant.activated': entity('activate'),
  'grant.expired': entity('delete'),
  'grant.revoked': entity('delete'),
  'grant.failed': entity('delete'),
  'grant.ending': entity('deactivate'),
  'grant.stuck': entity('update'),
  'grant.refused': entity('delete'),
  'grant.lapsed': entity('delete'),
  'mint.opened': entity('create'),
  'mint.activated': entity('activate'),
  'mint.ending': entity('deactivate'),
  'mint.end_failed': entity('update'),
  'mint.ended': entity('delete'),
  'task.created': entity('create'),
  'task.delegated': entity('create'),
  'task.ended': entity('delete'),
  'approval.requested': entity('create'),
  'approval.answered': entity('update'),
  'approval.consumed': entity('deactivate'),
  'approval.lapsed': entity('deactivate'),
  'order.created': entity('create'),
  'order.swept': entity('update'),
  'order.lift_requested': entity('update'),
  'order.lifted': entity('deactivate'),
  'exception.requested': entity('create'),
  'exception.approved': entity('activate'),
  'exception.denied': entity('deactivate'),
  'exception.ended': entity('deactivate'),
  'exception.reviewed': entity('update'),
  'generation.activated': entity('activate'),
  'key.added': entity('create'),
  'key.rewrapped': entity('update'),
  'key.wiped': entity('delete'),
  'hold.placed': entity('create'),
  'hold.lifted': entity('deactivate'),
  'archive.requested': entity('create'),
  'events.archived': entity('delete'),
  'evidence.read': api('read'),
  'call.decided': api('other'),
  'call.reported': api('other'),
};
const API_KINDS = new Set(['decision', 'call', 'evidence', 'use']);

const ACTIVITIES: Readonly<Record<string, number>> = {
  issue: API.create,
  create_task: API.create,
  delegate: API.create,
};

/**
 * One event as OCSF has it: issuing, revoking and every other change as Entity Management (3004), decisions and calls as API
 * Activity (6003) with `actor.authorizations`. What has no place there is kept whole in `unmapped`; `leaf` is where the event is
 * in the sealed log, and `metadata.uid` names it.
 */
export function toOcsf(event: JsonObject, leaf: number, version: string): JsonObject {
  const type = text(event['type']);
  const facts = isJsonObject(event['facts']) ? event['facts'] : {};
  const { of, activity } = mappingOf(type, facts);
  const failed = event['success'] === false;
  const at = text(event['at']);
  return {
    activity_id: activity,
    ...(activity === 99 ? { activity_name: type } : {}),
    category_uid: of.category,
    class_uid: of.class,
    type_uid: of.class * 100 + activity,
    time: Date.parse(at),
    severity_id: severityOf(type, failed),
    status_id: failed ? 2 : 1,
    ...optional('status_code', facts['code'] ?? facts['error']),
    message: messageOf(type, event),
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Writ', vendor_name: 'Writ', version },
      uid: `leaf-${leaf}`,
      sequence: leaf,
      event_code: type,
      original_time: at,
      ...optional('correlation_uid', event['task']),
    },
    actor: { ...actorOf(event), ...(of === API_ACTIVITY ? authorizations(facts) : {}) },
    ...(of === API_ACTIVITY ? apiMembers(type, event, facts) : entityMembers(type, event, facts)),
    unmapped: { event },
  };
}

function mappingOf(type: string, facts: JsonObject): Mapping {
  if (type === 'decision.made') return { of: API_ACTIVITY, activity: ACTIVITIES[text(facts['action'])] ?? API.other };
  const found = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  return found ?? (API_KINDS.has(kindOf(type)) ? api('other') : entity('other'));
}

/** What nobody may sleep through is high; what was refused or has failed is low or medium; the rest informs. */
function severityOf(type: string, failed: boolean): number {
  if (type === 'grant.stuck' || type === 'use.after_revocation') return 4;
  if (type === 'order.created' || type === 'mint.end_failed') return 3;
  return failed ? 2 : 1;
}

function messageOf(type: string, event: JsonObject): string {
  const about = text(event['resource']) || text(event['grant']) || text(event['task']);
  return about === '' ? type : `${type}: ${about}`;
}

/** Who did it. A workload is a service account of its trust domain, an operator a user of their issuer. */
function actorOf(event: JsonObject): JsonObject {
  const actor = isJsonObject(event['actor']) ? event['actor'] : {};
  if (actor['kind'] === 'workload') {
    return { user: { uid: text(actor['id']), name: text(actor['id']), domain: text(actor['trust']), type_id: 4 } };
  }
  if (actor['kind'] === 'operator') {
    const name = text(actor['subject']);
    return { user: { uid: name, name, domain: text(actor['issuer']), type_id: 1 } };
  }
  const name = text(actor['name']) || 'writ';
  return { app_name: `writ ${name}`, user: { uid: name, name, type_id: 3 } };
}

/** One for each policy that decided; none decided where nothing permits, and then the decision stands alone. */
function authorizations(facts: JsonObject): JsonObject {
  if (typeof facts['outcome'] !== 'string') return {};
  const decision = facts['outcome'];
  const policies = Array.isArray(facts['policies']) ? facts['policies'].filter((id) => typeof id === 'string') : [];
  const version = text(facts['rules_hash']);
  const listed = policies.map((id) => ({ decision, policy: { uid: id, name: id, ...optional('version', version) } }));
  return { authorizations: listed.length > 0 ? listed : [{ decision }] };
}

function apiMembers(type: string, event: JsonObject, facts: JsonObject): JsonObject {
  const uid = text(event['decision']) || text(facts['approval']);
  const resource = text(event['resource']);
  return {
    api: {
      operation: text(facts['action']) || (kindOf(type) === 'call' ? 'call' : type),
      service: { name: 'writ' },
      ...(uid === '' ? {} : { request: { uid } }),
    },
    src_endpoint: sourceOf(event),
    ...(resource === ''
      ? {}
      : { resources: [{ uid: resource, name: resource, type: type === 'call.decided' ? 'tool' : 'profile' }] }),
  };
}

function entityMembers(type: string, event: JsonObject, facts: JsonObject): JsonObject {
  const kind = kindOf(type);
  const uid =
    text(kind === 'mint' ? facts['mint'] : event[kind]) || text(facts[kind]) || text(event['resource']) || kind;
  return {
    entity: { uid, name: text(event['resource']) || uid, type: kind, type_id: 99 },
    src_endpoint: sourceOf(event),
    ...optional('comment', facts['reason'] ?? facts['purpose']),
  };
}

/** What the broker does by itself comes from no address: the endpoint is then its own service. */
function sourceOf(event: JsonObject): JsonObject {
  const origin = text(event['origin']);
  return origin === '' ? { svc_name: 'writ' } : { ip: origin };
}

const kindOf = (type: string) => type.split('.')[0] ?? '';
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const optional = (name: string, value: Json | undefined): JsonObject =>
  typeof value === 'string' && value !== '' ? { [name]: value } : {};
