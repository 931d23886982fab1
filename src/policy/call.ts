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

function taskEntity({ purpose, mode, environment }: PolicyRequest['context']['task']): EntityJson {
  return { uid: { type: 'Task', id: 'asked' }, attrs: { purpose, mode, environment }, parents: [] };
}

function toContext({ task, parameters, requestedTtl, now, onBehalfOf, approval }: PolicyRequest['context']): Context {
  return {
    task: { ...task },
    parameters: { ...parameters },
    requested_ttl: { __extn: { fn: 'duration', arg: `${requestedTtl}s` } },
    now: { __extn: { fn: 'datetime', arg: now } },
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
    ...(approval === undefined ? {} : { approval: { id: approval.id, by: [...approval.by] } }),
  };
}
