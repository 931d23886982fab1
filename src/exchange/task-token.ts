import type { Clock } from '../domain/clock.ts';
import { Refusal } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { parseId } from '../domain/ids.ts';
import type { TaskId } from '../domain/ids.ts';
import { isJsonObject } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import { environmentsOf, hopOf } from '../domain/task.ts';
import type { ChainLink, Task } from '../domain/task.ts';
import type { TokenClass } from '../keys/classes.ts';
import { clientOf } from './clients.ts';
import type { Client } from './clients.ts';
import type { Caller } from './context.ts';

/** How a task travels: a transaction token (draft-ietf-oauth-transaction-tokens), in the header `Txn-Token`. */
export const TASK_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:txn_token';

export interface TaskTokens {
  /** @throws Fault `keys_unavailable`. */
  sign(task: Task & { readonly endsAt: Date }, now: Date): Promise<string>;
  /** What a token of ours says, whoever shows it and whether or not its task still lives; undefined for anything else. */
  read(token: string): Promise<TaskClaims | undefined>;
  /**
   * The task that a workload is on: its token counts only together with evidence of the workload that it was made for, so that a
   * stolen one is worth nothing. Whether the task still lives is the ledger's to say.
   * @throws Refusal `task_token_invalid`, `task_ended`.
   */
  ofHolder(holder: Identity, token: string): Promise<TaskId>;
  /**
   * The same of a token that an enforcement point was shown and passes on: whom it was made for is held against the subject that
   * is asked about. @throws as `ofHolder`.
   */
  passedOn(token: string): Promise<TaskId>;
}

export interface TaskClaims {
  readonly task: TaskId;
  readonly holder: { readonly trust: string; readonly id: string };
  readonly expired: boolean;
  readonly claims: JsonObject;
}

export interface TaskTokenParts {
  /** Also the audience: the one trust domain in which these tokens count. */
  readonly issuer: string;
  readonly clock: Clock;
  readonly sign: (tokenClass: TokenClass, payload: JsonObject) => Promise<string>;
  /** Undefined for what none of our keys for this class has signed. */
  readonly verify: (tokenClass: TokenClass, token: string) => Promise<JsonObject | undefined>;
}

export function makeTaskTokens({ issuer, clock, sign, verify }: TaskTokenParts): TaskTokens {
  async function read(token: string): Promise<TaskClaims | undefined> {
    const claims = await verify('task', token);
    if (!claims || claims['iss'] !== issuer || claims['aud'] !== issuer) return undefined;
    const { tctx, act, exp } = claims;
    const [context, actor] = [isJsonObject(tctx) ? tctx : {}, isJsonObject(act) ? act : {}];
    const task = parseId('task', text(context['task']));
    if (!task) return undefined;
    const holder = { trust: text(context['trust']), id: text(actor['sub']) };
    return { task, holder, expired: Number(exp) * 1000 <= clock.now().getTime(), claims };
  }

  /** @param holds - whether it is a token of whoever may show it. */
  async function counted(token: string, holds: (claims: TaskClaims) => boolean): Promise<TaskId> {
    const shown = await read(token);
    if (!shown || !holds(shown)) throw new Refusal('task_token_invalid');
    if (shown.expired) throw new Refusal('task_ended', { task: shown.task });
    return shown.task;
  }

  return {
    sign: (task, now) => sign('task', claimsOf(issuer, task, now)),
    read,
    ofHolder: ({ trust, id }, token) => counted(token, ({ holder }) => holder.trust === trust && holder.id === id),
    passedOn: (token) => counted(token, () => true),
  };
}

/**
 * The task whose token came with a question about a call: of whoever asks, or, of an enforcement point, the one that it was shown
 * and passes on. @throws as `ofHolder`.
 */
export function makeTaskOf(tokens: Pick<TaskTokens, 'ofHolder' | 'passedOn'>, clients: readonly Client[]) {
  return ({ identity }: Caller, token: string): Promise<TaskId> =>
    clientOf(clients, identity, 'evaluate') ? tokens.passedOn(token) : tokens.ofHolder(identity, token);
}
export type TaskOf = ReturnType<typeof makeTaskOf>;

/**
 * `txn`, `sub` and `aud` stay the same all the way down; `req_wl` has everybody on the way, as the draft wants it, `act` the
 * same from the last to the first (RFC 8693 §4.1); what a task may do is in `scope` and `tctx`, and only ever narrows.
 */
function claimsOf(issuer: string, task: Task & { readonly endsAt: Date }, now: Date): JsonObject {
  const { chain, onBehalfOf, verified } = task;
  const holder = chain.at(-1);
  const principal = onBehalfOf === undefined ? {} : { principal: { id: onBehalfOf, ...withoutPeople(verified) } };
  return {
    iss: issuer,
    aud: issuer,
    iat: seconds(now),
    exp: Math.floor(task.endsAt.getTime() / 1000),
    txn: task.path[0] ?? task.id,
    sub: onBehalfOf ?? chain[0]?.id ?? '',
    scope: scopeOf(task),
    req_wl: chain.map(({ id }) => id).join(','),
    act: actorOf(chain) ?? {},
    tctx: {
      task: task.id,
      trust: holder?.trust ?? '',
      purpose: task.purpose,
      mode: task.mode,
      environment: task.environment,
      environments: [...environmentsOf(task)],
      ...principal,
    },
    chain_metadata: { hop_count: hopOf(task) },
  };
}

function withoutPeople(verified: Task['verified']): JsonObject {
  return verified ? { trust: verified.trust, verified: true } : { verified: false };
}

function actorOf(chain: readonly ChainLink[]): JsonObject | undefined {
  return chain.reduce<JsonObject | undefined>((act, { id }) => ({ sub: id, ...(act && { act }) }), undefined);
}

/** One word for each profile and tool; `*` where the task does not bound them. */
export function scopeOf({ bounds }: Pick<Task, 'bounds'>): string {
  const words = (kind: string, names: readonly string[] = ['*']) => names.map((name) => `${kind}:${name}`);
  return [...words('profile', bounds.profiles), ...words('tool', bounds.tools)].join(' ');
}

const seconds = (instant: Date) => Math.floor(instant.getTime() / 1000);

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
