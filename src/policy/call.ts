import type {
  CedarValueJson,
  Context,
  EntityJson,
  StatefulAuthorizationCall,
  TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { CallRequest, PolicyRequest, ProfileRequest, TaskFacts } from './policy.ts';

type Shared = Omit<CallRequest['context'], 'arguments' | 'grant'>;
/** A request as Cedar takes it. */
export type Asked = Pick<StatefulAuthorizationCall, 'principal' | 'action' | 'context' | 'entities'> & {
  readonly resource: TypeAndId;
};
/** What is asked about. */
type Resource = EntityJson & { readonly uid: TypeAndId };

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
function about(request: PolicyRequest): { readonly resource: Resource; readonly context: Context } {
  if (request.action === 'call') {
    return { resource: toolEntity(request.resource), context: callContext(request.context) };
  }
  const resource = 'resource' in request ? profileEntity(request.resource) : taskEntity(request.context.task);
  return { resource, context: profileContext(request.context) };
}

function toolEntity({ tool, ...attributes }: CallRequest['resource']): Resource {
  return { uid: { type: 'Tool', id: tool }, attrs: { name: tool, ...attributes }, parents: [] };
}

function profileEntity({ profile, ...attributes }: ProfileRequest['resource']): Resource {
  return { uid: { type: 'Profile', id: profile }, attrs: { name: profile, ...attributes }, parents: [] };
}

function taskEntity({ purpose, mode, environment, environments = [environment] }: TaskFacts['task']): Resource {
  const attrs = { purpose, mode, environment, environments: [...environments] };
  return { uid: { type: 'Task', id: 'asked' }, attrs, parents: [] };
}

function taskContext({ task, delegation, onBehalfOf, onBehalfOfVerified: verified }: TaskFacts): Context {
  const { environments = [task.environment], hop = 0 } = task;
  return {
    task: { ...task, environments: [...environments], hop },
    ...(delegation && { delegation: { from: { ...delegation.from }, root: { ...delegation.root } } }),
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
    ...(verified && { on_behalf_of_verified: { trust: verified.trust, groups: [...verified.groups] } }),
  };
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

function sharedContext({ now, approval, ...facts }: Shared): Context {
  return {
    ...taskContext(facts),
    now: { __extn: { fn: 'datetime', arg: now } },
    ...(approval === undefined ? {} : { approval: { id: approval.id, by: [...approval.by] } }),
  };
}
