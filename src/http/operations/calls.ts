import { EvaluationBody, EvaluationsBody } from '../authzen-request.ts';
import { OutcomeBody } from '../authzen.ts';
import type { Operation } from './operation.ts';

export const CALLS: readonly Operation[] = [
  {
    method: 'post',
    path: '/access/v1/evaluation',
    summary: 'AuthZEN 1.0: may this tool be called with these arguments, now?',
    workload: true,
    body: EvaluationBody,
    answers: { 200: 'The decision; a deny as well' },
  },
  {
    method: 'post',
    path: '/access/v1/evaluations',
    summary: 'AuthZEN 1.0: many of them',
    workload: true,
    body: EvaluationsBody,
    answers: { 200: 'The decisions' },
  },
  {
    method: 'get',
    path: '/.well-known/authzen-configuration',
    summary: 'AuthZEN 1.0 metadata',
    answers: { 200: 'Metadata' },
  },
  {
    method: 'post',
    path: '/v1/tool-calls/{id}/outcome',
    summary: 'Report how a call went, once; by its decision',
    workload: true,
    body: OutcomeBody,
    answers: { 201: 'On record' },
  },
];
