import { readCheckpoint, readDecision, readEventPage, readLeafRange, readProof } from './answers.ts';
import type {
  Checkpoint,
  EventFilter,
  EventPage,
  LeafRange,
  LogProof,
  ProofQuestion,
  SealedEvent,
} from './evidence.ts';
import {
  readGeneration,
  readGrant,
  readGrantPage,
  readOrder,
  readOrderPage,
  readPreview,
  readDecisionPage,
  readGenerationText,
} from './answers.ts';
import { makeApprovingVerbs, type ApprovingVerbs } from './approving.ts';
import type { DecisionPage, DecisionPeriod, DecisionRecord, GenerationText } from './decisions.ts';
import type { Generation, RuleFiles } from './generations.ts';
import type { Grant, GrantFilter, GrantPage } from './grants.ts';
import type { LiftAnswer, Order, OrderFilter, OrderHead, OrderPage, OrderPreview, OrderRequest } from './orders.ts';
import { eachOf, type ListOptions, type PageOptions } from './pages.ts';
import { makeRecordVerbs, type RecordVerbs } from './record.ts';
import { makeTaskVerbs, type TaskVerbs } from './task-verbs.ts';
import type { Transport } from './transport.ts';
import { grantPath, type CallOptions } from './workload.ts';

export interface EventOptions extends PageOptions {
  /** The leaf to begin with. */
  readonly cursor?: string;
}

/** What an operator may ask, with a token of theirs; the broker says which role each needs. Each verb throws `WritError`. */
export interface OperatorVerbs extends ApprovingVerbs, RecordVerbs, TaskVerbs {
  /** One page; `cursor` is the page before's `next_cursor`. */
  listGrants(filter?: GrantFilter, options?: ListOptions): Promise<GrantPage>;
  /** Every grant that matches, page after page, fetched as they are taken. */
  eachGrant(filter?: GrantFilter, options?: PageOptions): AsyncGenerator<Grant, void, void>;
  grant(id: string, options?: CallOptions): Promise<Grant>;
  revoke(id: string, reason: string, options?: CallOptions): Promise<Grant>;
  /** From the moment this answers, nothing that matches is issued; what lives is ended under way. */
  createOrder(request: Omit<OrderRequest, 'dry_run'>, options?: CallOptions): Promise<Order>;
  /** What `createOrder` would match; changes nothing. */
  previewOrder(request: Omit<OrderRequest, 'dry_run'>, options?: CallOptions): Promise<OrderPreview>;
  /** One page, newest first; `cursor` is the page before's `next_cursor`. */
  listOrders(filter?: OrderFilter, options?: ListOptions): Promise<OrderPage>;
  /** Every order that matches, page after page, fetched as they are taken. */
  eachOrder(filter?: OrderFilter, options?: PageOptions): AsyncGenerator<OrderHead, void, void>;
  order(id: string, options?: CallOptions): Promise<Order>;
  liftOrder(id: string, reason: string, options?: CallOptions): Promise<LiftAnswer>;
  /** Sealed events in their order, a page; `cursor` is the page before's `next_cursor`. Reading them is an event itself. */
  events(filter?: EventFilter, options?: EventOptions): Promise<EventPage>;
  /** Every event that matches, up to those that are there when a page is read. */
  eachEvent(filter?: EventFilter, options?: EventOptions): AsyncGenerator<SealedEvent, void, void>;
  decision(id: string, options?: CallOptions): Promise<DecisionRecord>;
  /** The newest signed checkpoint of the log. */
  checkpoint(options?: CallOptions): Promise<Checkpoint>;
  /** Proofs as in RFC 6962, of the newest checkpoint's size where none is given. */
  proof(question: ProofQuestion, options?: CallOptions & { readonly size?: number }): Promise<LogProof>;
  /** The leaves of a span of time. */
  leafRange(span: { readonly from?: string; readonly to?: string }, options?: CallOptions): Promise<LeafRange>;
  /** One page of what was decided in a period, oldest first. */
  listDecisions(period: DecisionPeriod, options?: ListOptions): Promise<DecisionPage>;
  /** All of them, page after page, fetched as they are taken. */
  eachDecision(period: DecisionPeriod, options?: PageOptions): AsyncGenerator<DecisionRecord, void, void>;
  /** The files of a generation, by its number or hash, or the active one. */
  generation(which: number | string, options?: CallOptions): Promise<GenerationText>;
  /** Checks the rules and, unless it is a dry run, activates them for all replicas. */
  apply(files: RuleFiles, options?: CallOptions & { readonly dryRun?: boolean }): Promise<Generation>;
}

export function makeOperatorVerbs(transport: Transport): OperatorVerbs {
  const as = 'operator';
  const orders = '/v1/revocations';
  const orderPath = (id: string) => `${orders}/${encodeURIComponent(id)}`;

  const listGrants: OperatorVerbs['listGrants'] = async (filter = {}, { cursor, limit, signal } = {}) => {
    const query = { ...filter, cursor, limit: limit?.toString() };
    return readGrantPage(await transport({ as, method: 'GET', path: '/v1/grants', query, signal }));
  };

  const listOrders: OperatorVerbs['listOrders'] = async ({ blocking } = {}, { cursor, limit, signal } = {}) => {
    const query = { blocking: blocking?.toString(), cursor, limit: limit?.toString() };
    return readOrderPage(await transport({ as, method: 'GET', path: orders, query, signal }));
  };

  const events: OperatorVerbs['events'] = async (filter = {}, { cursor, limit, signal } = {}) => {
    const query = { ...filter, cursor, limit: limit?.toString(), format: 'text' };
    return readEventPage(await transport({ as, method: 'GET', path: '/v1/events', query, signal }));
  };

  const listDecisions: OperatorVerbs['listDecisions'] = async ({ from, to }, { cursor, limit, signal } = {}) => {
    const query = { from, to, cursor, limit: limit?.toString() };
    return readDecisionPage(await transport({ as, method: 'GET', path: '/v1/decisions', query, signal }));
  };

  return {
    ...makeApprovingVerbs(transport),
    events,
    async *eachEvent(filter = {}, options = {}) {
      let { cursor } = options;
      for (;;) {
        const page = await events(filter, { ...options, ...(cursor !== undefined && { cursor }) });
        yield* page.events;
        if (!page.more) return;
        cursor = page.next_cursor;
      }
    },
    async decision(id, { signal } = {}) {
      return readDecision(
        await transport({ as, method: 'GET', path: `/v1/decisions/${encodeURIComponent(id)}`, signal }),
      );
    },
    async checkpoint({ signal } = {}) {
      return readCheckpoint(await transport({ as, method: 'GET', path: '/v1/audit/checkpoint', signal }));
    },
    async proof(question, { size, signal } = {}) {
      const asked = Object.entries({ ...question, size }).map(([name, value]) => [name, value?.toString()]);
      const query = Object.fromEntries(asked) as Record<string, string | undefined>;
      return readProof(await transport({ as, method: 'GET', path: '/v1/audit/proof', query, signal }));
    },
    async leafRange(span, { signal } = {}) {
      return readLeafRange(await transport({ as, method: 'GET', path: '/v1/audit/range', query: { ...span }, signal }));
    },
    listGrants,
    listDecisions,
    eachDecision: (period, options = {}) =>
      eachOf(
        (from) => listDecisions(period, { ...options, ...from }),
        (page) => page.decisions,
      ),
    async generation(which, { signal } = {}) {
      const path = `/v1/generations/${encodeURIComponent(which)}`;
      return readGenerationText(await transport({ as, method: 'GET', path, signal }));
    },
    eachGrant: (filter = {}, options = {}) =>
      eachOf(
        (from) => listGrants(filter, { ...options, ...from }),
        (page) => page.grants,
      ),
    async grant(id, { signal } = {}) {
      return readGrant(await transport({ as, method: 'GET', path: grantPath(id), signal }));
    },
    async revoke(id, reason, { signal } = {}) {
      return readGrant(
        await transport({ as, method: 'POST', path: `${grantPath(id)}/revoke`, json: { reason }, signal }),
      );
    },
    ...makeTaskVerbs(transport, as),
    async createOrder(request, { signal } = {}) {
      return readOrder(await transport({ as, method: 'POST', path: orders, json: request, signal }));
    },
    async previewOrder(request, { signal } = {}) {
      const json = { ...request, dry_run: true };
      return readPreview(await transport({ as, method: 'POST', path: orders, json, signal }));
    },
    listOrders,
    eachOrder: (filter = {}, options = {}) =>
      eachOf(
        (from) => listOrders(filter, { ...options, ...from }),
        (page) => page.orders,
      ),
    async order(id, { signal } = {}) {
      return readOrder(await transport({ as, method: 'GET', path: orderPath(id), signal }));
    },
    async liftOrder(id, reason, { signal } = {}) {
      const answer = await transport({ as, method: 'POST', path: `${orderPath(id)}/lift`, json: { reason }, signal });
      return { outcome: answer.status === 202 ? 'lift_requested' : 'lifted', order: readOrder(answer) };
    },
    ...makeRecordVerbs(transport),
    async apply(files, { dryRun, signal } = {}) {
      const json = dryRun ? { files, dry_run: true } : { files };
      return readGeneration(await transport({ as, method: 'POST', path: '/v1/generations', json, signal }));
    },
  };
}
