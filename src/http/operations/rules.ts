import { ApplyBody } from '../generations.ts';
import type { Operation } from './operation.ts';

export const RULES: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/generations',
    summary: 'Check rules and activate them for all replicas',
    roles: ['platform'],
    body: ApplyBody,
    answers: { 200: 'A dry run, or nothing changed', 201: 'The active generation' },
  },
  {
    method: 'get',
    path: '/v1/generations/{id}',
    summary: 'The files of a generation, by its number or hash, or `active`',
    roles: ['platform', 'auditor'],
    answers: { 200: 'The generation with its files' },
  },
];
