import { EndTaskBody, TaskBody, TasksQuery } from '../tasks.ts';
import { READERS } from './operation.ts';
import type { Operation } from './operation.ts';

export const TASKS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/tasks',
    summary: 'Make a task, which what is asked for can hang off; Idempotency-Key is honoured',
    workload: true,
    body: TaskBody,
    answers: { 201: 'The task, and its token' },
  },
  {
    method: 'get',
    path: '/v1/tasks',
    summary: 'List tasks, newest first; a workload its own',
    workload: true,
    roles: READERS,
    query: TasksQuery,
    answers: { 200: 'A page of tasks' },
  },
  {
    method: 'get',
    path: '/v1/tasks/{id}',
    summary: 'Show a task, and what was handed on below it',
    workload: true,
    roles: READERS,
    answers: { 200: 'The task' },
  },
  {
    method: 'post',
    path: '/v1/tasks/{id}/end',
    summary: 'End a task, everything below it, and what hangs off them',
    workload: true,
    roles: ['security'],
    body: EndTaskBody,
    answers: { 200: 'The task, ended' },
  },
];
