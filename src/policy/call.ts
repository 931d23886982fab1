import type { Context, EntityJson, StatefulAuthorizationCall } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyRequest } from './policy.ts';

type Asked = Pick<StatefulAuthorizationCall, 'principal' | 'action' | 'resource' | 'context' | 'entities'>;

/**
 * A request in Cedar's terms, with the few entities that it needs: they are parsed at each call.
 *
 * A principal is `Workload::"<trust>/<id>"`, a group `Group::"<trust>/<group>"`. The name of a trust entry has no slash,
 * so the first one always separates the two, and no id or group of one trust entry can be taken for another's.
 */
export function toCedar({ principal, action, context, ...about }: PolicyRequest): Asked {
  const { trust, id, groups, attributes } = principal;
  const workload: EntityJson = {
    uid: { type: 'Workload', id: `${trust}/${id}` },
    attrs: { id, trust },
    parents: [{ type: 'Trust', id: trust }, ...groups.map((group) => ({ type: 'Group', id: `${trust}/${group}` }))],
    tags: { ...attributes },
  };
  const resource = 'resource' in about ? profileEntity(about.resource) : taskEntity(context.task);
  return {
    principal: workload.uid,
    action: { type: 'Action', id: action },
    resource: resource.uid,
    context: toContext(context),
    entities: [workload, resource],
  };
}

function profileEntity({
  profile,
  ...attributes
}: Extract<PolicyRequest, { resource: unknown }>['resource']): EntityJson {
  return { uid: { type: 'Profile', id: profile }, attrs: { name: profile, ...attributes }, parents: [] };
}

function taskEntity(task: PolicyRequest['context']['task']): EntityJson {
  const { purpose, mode, environment } = task;
  const attrs = { purpose, mode, environment, environments: [...(task.environments ?? [environment])] };
  return { uid: { type: 'Task', id: 'asked' }, attrs, parents: [] };
}

/** What of a context tells of the task, and of whom it came from and is for. */
function taskContext({ task, delegation, onBehalfOf, onBehalfOfVerified }: PolicyRequest['context']): Context {
  const { environments = [task.environment], hop = 0 } = task;
  return {
    task: { ...task, environments: [...environments], hop },
    ...(delegation && { delegation: { from: { ...delegation.from }, root: { ...delegation.root } } }),
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
    ...(onBehalfOfVerified && {
      on_behalf_of_verified: { trust: onBehalfOfVerified.trust, groups: [...onBehalfOfVerified.groups] },
    }),
  };
}

function toContext(context: PolicyRequest['context']): Context {
  const { parameters, requestedTtl, now, approval } = context;
  return {
    ...taskContext(context),
    parameters: { ...parameters },
    requested_ttl: { __extn: { fn: 'duration', arg: `${requestedTtl}s` } },
    now: { __extn: { fn: 'datetime', arg: now } },
    ...(approval === undefined ? {} : { approval: { id: approval.id, by: [...approval.by] } }),
  };
}
