import type { CedarValueJson, Context, EntityJson, StatefulAuthorizationCall } from '@cedar-policy/cedar-wasm/nodejs';
import type { CallRequest, PolicyRequest, ProfileRequest } from './policy.ts';

type Shared = Omit<CallRequest['context'], 'arguments' | 'grant'>;
type Asked = Pick<StatefulAuthorizationCall, 'principal' | 'action' | 'resource' | 'context' | 'entities'>;

/**
 * A request in Cedar's terms, with the few entities that it needs: they are parsed at each call.
 *
 * A principal is `Workload::"<trust>/<id>"`, a group `Group::"<trust>/<group>"`. The name of a trust entry has no slash,
 * so the first one always separates the two, and no id or group of one trust entry can be taken for another's.
 */
export function toCedar(request: PolicyRequest): Asked {
  const { trust, id, groups, attributes } = request.principal;
  const workload: EntityJson = {
    uid: { type: 'Workload', id: `${trust}/${id}` },
    attrs: { id, trust },
    parents: [{ type: 'Trust', id: trust }, ...groups.map((group) => ({ type: 'Group', id: `${trust}/${group}` }))],
    tags: { ...attributes },
  };
  const { resource, context } = about(request);
  return {
    principal: workload.uid,
    action: { type: 'Action', id: request.action },
    resource: resource.uid,
    context,
    entities: [workload, resource],
  };
}

/** What does not go together, such as a task that has a profile, fails against the schema. */
function about(request: PolicyRequest): { readonly resource: EntityJson; readonly context: Context } {
  if (request.action === 'call') {
    return { resource: toolEntity(request.resource), context: callContext(request.context) };
  }
  const resource = 'resource' in request ? profileEntity(request.resource) : taskEntity(request.context.task);
  return { resource, context: profileContext(request.context) };
}

function toolEntity({ tool, ...attributes }: CallRequest['resource']): EntityJson {
  return { uid: { type: 'Tool', id: tool }, attrs: { name: tool, ...attributes }, parents: [] };
}

function profileEntity({ profile, ...attributes }: ProfileRequest['resource']): EntityJson {
  return { uid: { type: 'Profile', id: profile }, attrs: { name: profile, ...attributes }, parents: [] };
}

function taskEntity({ purpose, mode, environment }: PolicyRequest['context']['task']): EntityJson {
  return { uid: { type: 'Task', id: 'asked' }, attrs: { purpose, mode, environment }, parents: [] };
}

function profileContext({ parameters, requestedTtl, ...shared }: ProfileRequest['context']): Context {
  return {
    ...sharedContext(shared),
    parameters: { ...parameters },
    requested_ttl: { __extn: { fn: 'duration', arg: `${requestedTtl}s` } },
  };
}

function callContext({ arguments: mapped, grant, ...shared }: CallRequest['context']): Context {
  const given = Object.entries(mapped).map(([name, value]): [string, CedarValueJson] => [
    name,
    typeof value === 'object' ? [...value] : value,
  ]);
  return {
    ...sharedContext(shared),
    arguments: Object.fromEntries(given),
    ...(grant ? { grant: { profile: grant.profile, parameters: { ...grant.parameters } } } : {}),
  };
}

function sharedContext({ task, now, onBehalfOf, approval }: Shared): Context {
  return {
    task: { ...task },
    now: { __extn: { fn: 'datetime', arg: now } },
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
    ...(approval === undefined ? {} : { approval: { id: approval.id, by: [...approval.by] } }),
  };
}
