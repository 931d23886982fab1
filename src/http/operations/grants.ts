import { WaitQuery } from '../approvals.ts';
import { ClaimBody, IssueBody, ListQuery, RenewBody, RevokeBody } from '../grants.ts';
import { READERS } from './operation.ts';
import type { Operation } from './operation.ts';

export const GRANTS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/grants',
    summary: 'Ask for a credential; Idempotency-Key is honoured',
    workload: true,
    body: IssueBody,
    answers: { 201: 'The grant, with its credential, once', 202: 'A person has to approve it first' },
  },
  {
    method: 'get',
    path: '/v1/grants',
    summary: 'List grants, newest first',
    roles: READERS,
    query: ListQuery,
    answers: { 200: 'A page of grants' },
  },
  {
    method: 'get',
    path: '/v1/grants/{id}',
    summary: 'Show a grant, without its credential',
    workload: true,
    roles: READERS,
    answers: { 200: 'The grant' },
  },
  {
    method: 'get',
    path: '/v1/grants/{id}/approval',
    summary: 'How the approval of a grant stands; with `wait`, once it is answered',
    workload: true,
    query: WaitQuery,
    answers: { 200: 'The approval' },
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/claim',
    summary: 'Turn an approved request into its credential, once; Idempotency-Key is honoured',
    workload: true,
    body: ClaimBody,
    answers: { 201: 'The grant, with its credential' },
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/renew',
    summary: 'Decide again, and mint again',
    workload: true,
    body: RenewBody,
    answers: { 201: 'The grant, with a new credential' },
  },
  {
    method: 'post',
    path: '/v1/grants/{id}/revoke',
    summary: 'Take a grant back',
    workload: true,
    roles: ['security'],
    body: RevokeBody,
    answers: { 200: 'The grant; `revoked` once confirmed, `ending` until then' },
  },
];
