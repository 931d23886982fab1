import type { ApprovalNeeds } from '../domain/approval.ts';
import { readNeeds } from '../domain/approval.ts';
import { Fault, Refusal } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { ApprovalId, DecisionId, GrantId } from '../domain/ids.ts';
import { isJsonObject } from '../domain/json.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Task } from '../domain/task.ts';
import type { ApprovalRow, Involved } from '../ledger/index.ts';
import { watched } from './after-revocation.ts';
import { approvalRequest } from './approval.ts';
import type { Patience } from './approvals.ts';
import type { Caller, ExchangeContext } from './context.ts';
import type { Waiting } from './waiting.ts';

/** A call that is denied for want of an approval. */
export interface DeniedCall {
  readonly decision: DecisionId;
  /** Of everything that a person would be asked, the subject included. */
  readonly askedHash: string;
  readonly needs: ApprovalNeeds;
}

/** The same call as its caller repeats it, looked at again: exactly what a person would be asked, and whose call it is. */
export interface AskedCall {
  readonly subject: { readonly trust: string; readonly id: string };
  /** As it may be shown. */
  readonly asked: JsonObject;
  readonly askedHash: string;
  readonly owner: string;
  readonly environment: string;
  readonly task?: Task;
  readonly grant?: GrantId;
  /** What the subject's issuer calls it, where that is known. */
  readonly source?: Required<Involved>;
}

export interface AccessRequestParts {
  /** Tokens of a class of their own: nothing else that we sign passes as one. @throws Fault `keys_unavailable`. */
  readonly sign: (payload: JsonObject) => Promise<string>;
  readonly verify: (token: string) => Promise<JsonObject | undefined>;
  readonly issuer: string;
  readonly waiting: Waiting;
}

/** How a denial is handed on, for whoever wants a person to be asked. */
export interface AccessOffer {
  readonly expiresAt: Date;
  readonly bindingToken: string;
}

/** How long after a denial a person may be asked about it. */
const DENIAL_SECONDS = 600;

/**
 * The AuthZEN Access Request and Approval Profile: a denied call that an approval would change is put before a person, and asked again
 * once that person has answered. What binds it to its denial is a token of ours that says which decision and exactly what it was
 * about; neither it nor an approval's id gives anything by itself.
 */
export function makeAccessRequests(context: ExchangeContext, { sign, verify, issuer, waiting }: AccessRequestParts) {
  const { ledger, ids, clock } = context;

  async function own(caller: Caller, id: ApprovalId): Promise<ApprovalRow> {
    const row = await ledger.approvals.find(id);
    if (row?.kind !== 'call' || !isOf(caller, row)) throw new Refusal('not_found');
    return row;
  }

  return {
    /** Undefined where nothing can be signed now: the denial stands, and cannot be asked about. */
    async offer({ decision, askedHash, needs }: DeniedCall): Promise<AccessOffer | undefined> {
      const iat = Math.floor(clock.now().getTime() / 1000);
      const exp = iat + DENIAL_SECONDS;
      const about = { asked_hash: askedHash, needs: needs.map((need) => ({ ...need })) };
      try {
        const bindingToken = await sign({ iss: issuer, aud: issuer, jti: decision, iat, exp, ...about });
        return { expiresAt: new Date(exp * 1000), bindingToken };
      } catch (error) {
        if (error instanceof Fault) return undefined;
        throw error;
      }
    },

    /**
     * Asks a person; asked again about the same denial it is the same request.
     * @throws Refusal `invalid_denial_binding`, `expired_denial`, `under_order`, `task_ended`, `too_many_approvals`.
     */
    async submit(caller: Caller, bindingToken: string, call: AskedCall): Promise<ApprovalRow> {
      const now = clock.now();
      const denial = readDenial(await verify(bindingToken), issuer);
      if (denial?.askedHash !== call.askedHash) throw new Refusal('invalid_denial_binding');
      if (denial.expiresAt <= now) throw new Refusal('expired_denial');
      const { trust, id } = caller.identity;
      const itself = trust === call.subject.trust && id === call.subject.id;
      const asked = itself ? call.asked : { ...call.asked, asked_by: { trust, id } };
      const { askedHash, owner, environment, task, grant, source } = call;
      const chain = source ? [source] : [];
      const about = { asked, askedHash, needs: denial.needs, caller, chain, now, ...(task ? { task } : {}) };
      const request = {
        decision: denial.decision,
        refusal: ids.decision(),
        trust: call.subject.trust,
        subject: call.subject.id,
        owner,
        environment,
        approval: approvalRequest(context, { id: ids.approval(), kind: 'call', ...about }),
        origin: caller.origin,
      } as const;
      const shown = { ...(grant && { grant }), ...(task && { task: task.id }) };
      const approval = await watched(context, 'call', caller, shown, () =>
        ledger.approvals.requestCall(request).catch((error: unknown) => {
          const unbound = error instanceof Refusal && error.code === 'not_found';
          throw unbound ? new Refusal('invalid_denial_binding') : error;
        }),
      );
      return own(caller, approval);
    },

    /** How a request of one's own stands, once it is answered or when the patience is over. @throws Refusal `not_found`. */
    async show(caller: Caller, id: ApprovalId, { seconds, gone }: Patience): Promise<ApprovalRow> {
      const row = await own(caller, id);
      if (row.state !== 'pending') return row;
      const { trust, id: who } = caller.identity;
      await waiting.wait(id, `${trust}\n${who}`, seconds, gone);
      return own(caller, id);
    },
  };
}

/** Whoever it is about, and whoever put it before a person for them. */
function isOf({ identity: { trust, id } }: Caller, row: ApprovalRow): boolean {
  if (row.trust === trust && row.subject === id) return true;
  const { asked_by } = row.asked as { readonly asked_by?: { readonly trust?: unknown; readonly id?: unknown } };
  return asked_by?.trust === trust && asked_by.id === id;
}

interface Denial {
  readonly decision: DecisionId;
  readonly askedHash: string;
  readonly needs: ApprovalNeeds;
  readonly expiresAt: Date;
}

function readDenial(claims: JsonObject | undefined, issuer: string): Denial | undefined {
  if (!isJsonObject(claims) || claims['iss'] !== issuer || claims['aud'] !== issuer) return undefined;
  const { jti, asked_hash, exp, needs } = claims;
  const decision = typeof jti === 'string' ? parseId('decision', jti) : undefined;
  if (!decision || typeof asked_hash !== 'string' || typeof exp !== 'number') return undefined;
  return { decision, askedHash: asked_hash, needs: readNeeds(needs), expiresAt: new Date(exp * 1000) };
}
