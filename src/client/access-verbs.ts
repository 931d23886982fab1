import type { AccessOffer, AccessRequest } from './access-requests.ts';
import { readAccessRequest } from './answers.ts';
import type { Evaluation } from './evaluations.ts';
import type { Transport } from './transport.ts';
import type { CallOptions, EvaluateOptions } from './workload.ts';

/** How a denied call is put before a person (AuthZEN Access Request and Approval Profile). Each verb throws `WritError`. */
export interface AccessVerbs {
  /** The question as it was denied, with what its denial offered. Asked about the same denial again it is the same request. */
  requestAccess(question: Evaluation, denial: AccessOffer, options?: EvaluateOptions): Promise<AccessRequest>;
  /** How it stands, by its task's id; with `waitSeconds`, up to 60, as soon as it is answered. */
  awaitAccess(id: string, options?: CallOptions & { readonly waitSeconds?: number }): Promise<AccessRequest>;
}

/** Of the denial only its token is sent, and to this broker: an address in an answer is nowhere to show evidence at. */
export function makeAccessVerbs(transport: Transport): AccessVerbs {
  const as = 'workload';
  const path = '/access/v1/requests';
  return {
    async requestAccess(question, { binding_token }, { signal, taskToken } = {}) {
      const json = { ...question, denial: { binding_token } };
      const call = { as, onTask: taskToken ?? true, method: 'POST', path } as const;
      return readAccessRequest(await transport({ ...call, json, signal }));
    },
    async awaitAccess(id, { waitSeconds, signal } = {}) {
      const query = { wait: waitSeconds?.toString() };
      const held = (waitSeconds ?? 0) * 1000;
      const one = `${path}/${encodeURIComponent(id)}`;
      return readAccessRequest(await transport({ as, method: 'GET', path: one, query, moreMs: held, signal }));
    },
  };
}
