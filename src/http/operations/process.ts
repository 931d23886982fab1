import type { Operation } from './operation.ts';

export const PROCESS: readonly Operation[] = [
  { method: 'get', path: '/openapi.json', summary: 'This document', answers: { 200: 'OpenAPI 3.1' } },
  { method: 'get', path: '/healthz', summary: 'Alive', answers: { 200: 'Alive' } },
  {
    method: 'get',
    path: '/readyz',
    summary: 'Ready, and what stands in the way',
    answers: { 200: 'Ready', 503: 'Not ready' },
  },
  { method: 'get', path: '/metrics', summary: 'Prometheus', answers: { 200: 'Metrics' } },
];
