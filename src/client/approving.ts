import { readApproval, readApprovalPage, readException, readExceptionPage } from './answers.ts';
import type {
  Approval,
  ApprovalFilter,
  ApprovalPage,
  Exception,
  ExceptionFilter,
  ExceptionPage,
  ExceptionRequest,
} from './approvals.ts';
import type { ListOptions } from './pages.ts';
import type { Transport } from './transport.ts';
import type { CallOptions } from './workload.ts';

/** What operators do about approvals and exceptions. Each verb throws `WritError`. */
export interface ApprovingVerbs {
  listApprovals(filter?: ApprovalFilter, options?: ListOptions): Promise<ApprovalPage>;
  approval(id: string, options?: CallOptions): Promise<Approval>;
  /** Refused for whoever is on the request's own chain, and the second time. */
  approve(id: string, reason: string, options?: CallOptions): Promise<Approval>;
  deny(id: string, reason: string, options?: CallOptions): Promise<Approval>;
  listExceptions(filter?: ExceptionFilter, options?: ListOptions): Promise<ExceptionPage>;
  exception(id: string, options?: CallOptions): Promise<Exception>;
  /** Counts once somebody else has approved it. */
  requestException(request: ExceptionRequest, options?: CallOptions): Promise<Exception>;
  approveException(id: string, reason: string, options?: CallOptions): Promise<Exception>;
  denyException(id: string, reason: string, options?: CallOptions): Promise<Exception>;
  endException(id: string, reason: string, options?: CallOptions): Promise<Exception>;
  reviewException(id: string, note: string, options?: CallOptions): Promise<Exception>;
}

export function makeApprovingVerbs(transport: Transport): ApprovingVerbs {
  const as = 'operator';
  const get = (path: string, query: Readonly<Record<string, string | undefined>>, { signal }: CallOptions) =>
    transport({ as, method: 'GET', path, query, signal });
  const post = (path: string, json: object, { signal }: CallOptions) =>
    transport({ as, method: 'POST', path, json, signal });
  const of = (collection: 'approvals' | 'exceptions', id: string, verb?: string) =>
    `/v1/${collection}/${encodeURIComponent(id)}${verb === undefined ? '' : `/${verb}`}`;
  const page = ({ limit, cursor }: ListOptions) => ({ limit: limit?.toString(), cursor });

  return {
    async listApprovals(filter = {}, options = {}) {
      return readApprovalPage(await get('/v1/approvals', { ...filter, ...page(options) }, options));
    },
    approval: async (id, options = {}) => readApproval(await get(of('approvals', id), {}, options)),
    approve: async (id, reason, options = {}) =>
      readApproval(await post(of('approvals', id, 'approve'), { reason }, options)),
    deny: async (id, reason, options = {}) =>
      readApproval(await post(of('approvals', id, 'deny'), { reason }, options)),
    async listExceptions({ unreviewed, ...filter } = {}, options = {}) {
      const query = { ...filter, unreviewed: unreviewed?.toString(), ...page(options) };
      return readExceptionPage(await get('/v1/exceptions', query, options));
    },
    exception: async (id, options = {}) => readException(await get(of('exceptions', id), {}, options)),
    requestException: async (request, options = {}) => readException(await post('/v1/exceptions', request, options)),
    approveException: async (id, reason, options = {}) =>
      readException(await post(of('exceptions', id, 'approve'), { reason }, options)),
    denyException: async (id, reason, options = {}) =>
      readException(await post(of('exceptions', id, 'deny'), { reason }, options)),
    endException: async (id, reason, options = {}) =>
      readException(await post(of('exceptions', id, 'end'), { reason }, options)),
    reviewException: async (id, note, options = {}) =>
      readException(await post(of('exceptions', id, 'review'), { note }, options)),
  };
}
