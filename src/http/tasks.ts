import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { Refusal } from '../domain/errors.ts';
import { OPERATOR_ROLES } from '../domain/identity.ts';
import { parseId } from '../domain/ids.ts';
import type { TaskId } from '../domain/ids.ts';
import { TASK_MODES } from '../domain/task.ts';
import type { Principal } from '../domain/task.ts';
import type { Caller } from '../exchange/context.ts';
import { actorOf } from '../exchange/orders.ts';
import type { ResolvePrincipal } from '../exchange/principal.ts';
import type { NewTask, Onlooker, OpenedTask, TaskEnd, TaskView } from '../exchange/tasks.ts';
import type { EndedTask, TaskFilter, TaskRow } from '../ledger/index.ts';
import { counting, workloads, workloadsOr } from './authenticate.ts';
import { body, query } from './body.ts';
import type { RequestFault } from './body.ts';
import type { Req, Res, Step } from './context.ts';
import { operatorOf, workloadOf } from './context.ts';
import { idempotency, idempotencyFaults, principalKey } from './idempotency.ts';
import { pageOf, toPage } from './page.ts';
import { mustReach, seenBy } from './reach.ts';
import { noStore } from './steps.ts';
import { endedTaskBody, openedTaskBody, taskBody, taskViewBody } from './task-bodies.ts';
import { TASK_HEADER } from './task-context.ts';
import { bounds, onBehalfOf, purpose, without } from './task-fields.ts';

export const TaskBody = z
  .strictObject({ purpose, on_behalf_of: onBehalfOf.optional(), ...bounds })
  .refine(({ environment, environments }) => environments?.includes(environment) ?? true, {
    path: ['environments'],
    message: 'must have `environment` among them',
  });
const name = z.string().min(1).max(2_048).optional();
export const TasksQuery = z.strictObject({
  state: z.enum(['open', 'ended']).optional(),
  agent: name,
  task: name,
  on_behalf_of: name,
  environment: name,
  mode: z.enum(TASK_MODES).optional(),
  ...pageOf('task'),
});
export const EndTaskBody = z.strictObject({ reason: z.string().min(1).max(1_000) });

export interface TaskVerbs {
  readonly resolvePrincipal: ResolvePrincipal;
  readonly create: (caller: Caller, task: NewTask) => Promise<OpenedTask>;
  readonly list: (onlooker: Onlooker, filter: TaskFilter, limit: number, after?: string) => Promise<TaskRow[]>;
  readonly show: (id: TaskId, onlooker: Onlooker) => Promise<TaskView>;
  readonly find: (id: TaskId) => Promise<TaskRow | null>;
  readonly end: (ending: TaskEnd) => Promise<EndedTask>;
}

export function tasksRouter(verbs: TaskVerbs, asWorkload: Step, json: RequestHandler): Router {
  const create = body(
    TaskBody,
    async (input, req, res) => {
      const { on_behalf_of: given, ...task } = input;
      const wish = { action: 'create_task' } as const;
      const principal =
        given === undefined
          ? undefined
          : await counting(res, () => verbs.resolvePrincipal(workloadOf(res), wish, given));
      const key = idempotency(req, { task: without(task), ...principalKey(principal) });
      const wanted = { ...newTask(input, principal), idempotency: key };
      res.status(201).json(openedTaskBody(await verbs.create(workloadOf(res), wanted)));
    },
    (req) => [...idempotencyFaults(req), ...contextFaults(req)],
  );

  const list = query(TasksQuery, async ({ cursor, limit, on_behalf_of: onBehalfOf, ...filter }, _req, res) => {
    const found = await verbs.list(onlookerOf(res), { ...filter, onBehalfOf }, limit + 1, cursor);
    const { rows, next } = toPage(found, limit);
    res.json({ tasks: rows.map(taskBody), ...next });
  });

  const show: Step = async (req, res) => {
    res.json(taskViewBody(await shown(req, res)));
  };

  const end = body(EndTaskBody, async ({ reason }, req, res) => {
    const task = taskIdOf(req);
    const { origin, principal } = res.locals;
    if (principal?.kind === 'operator') {
      const row = await verbs.find(task);
      if (!row) throw new Refusal('not_found');
      mustReach(principal.operator, 'security', OPERATOR_ROLES, aboutTask(row));
    }
    const ended = await verbs.end({ task, reason, origin, ...ender(res) });
    res.json(endedTaskBody(await shown(req, res), ended));
  });

  async function shown(req: Req, res: Res): Promise<TaskView> {
    const view = await verbs.show(taskIdOf(req), onlookerOf(res));
    const { principal } = res.locals;
    if (principal?.kind === 'operator' && !seenBy(principal.operator, OPERATOR_ROLES, aboutTask(view.row)))
      throw new Refusal('not_found');
    return view;
  }

  const router = Router();
  router.post('/v1/tasks', noStore, asWorkload, workloads, json, create);
  router.get('/v1/tasks', noStore, asWorkload, workloadsOr(...OPERATOR_ROLES), list);
  router.get('/v1/tasks/:id', noStore, asWorkload, workloadsOr(...OPERATOR_ROLES), show);
  router.post('/v1/tasks/:id/end', noStore, asWorkload, workloadsOr('security'), json, end);
  return router;
}

/** A task that is made while another is shown would step out of it. */
function contextFaults({ headers }: Req): RequestFault[] {
  if (headers['txn-token'] === undefined) return [];
  return [{ path: TASK_HEADER, problem: 'is not taken here: a part of a task is handed on by POST /oauth/token' }];
}

function newTask(input: z.output<typeof TaskBody>, principal: Principal | undefined): NewTask {
  const { environments, profiles, tools, parameters = {}, max_ttl_seconds: maxTtlSeconds } = input;
  return {
    purpose: input.purpose,
    principal,
    mode: input.mode,
    environment: input.environment,
    endsAt: input.ends_at === undefined ? undefined : new Date(input.ends_at),
    maxGrants: input.max_grants,
    maxCalls: input.max_calls,
    bounds: { parameters, ...without({ environments, profiles, tools, maxTtlSeconds }) },
  };
}

/** Everything that a task reaches; of whose profiles is not known before they are asked for. */
function aboutTask({ environment, environments }: TaskRow) {
  const names = (environments ?? [environment]) as readonly string[];
  return names.map((name) => ({ environment: name }));
}

function onlookerOf(res: Res): Onlooker {
  const { principal } = res.locals;
  if (principal?.kind === 'operator') return { kind: 'operator', operator: principal.operator };
  const { trust, id } = workloadOf(res).identity;
  return { kind: 'workload', trust, id };
}

/** Who ends which task: a workload its own and those below, security any that it reaches. */
function ender(res: Res): Pick<TaskEnd, 'actor' | 'subject'> {
  if (res.locals.principal?.kind === 'operator') return { actor: actorOf(operatorOf(res)) };
  const { trust, id } = workloadOf(res).identity;
  return { actor: { kind: 'workload', trust, id }, subject: { trust, id } };
}

function taskIdOf(req: Req): TaskId {
  const id = parseId('task', req.params['id'] ?? '');
  if (!id) throw new Refusal('not_found');
  return id;
}
