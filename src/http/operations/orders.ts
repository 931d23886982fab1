import { LiftBody, OrdersQuery, RevocationBody } from '../orders.ts';
import type { Operation } from './operation.ts';

export const ORDERS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/revocations',
    summary: 'Order a revocation',
    roles: ['security'],
    body: RevocationBody,
    answers: { 200: 'What a dry run would match', 201: 'The order' },
  },
  {
    method: 'get',
    path: '/v1/revocations',
    summary: 'List orders, newest first',
    roles: ['security', 'auditor'],
    query: OrdersQuery,
    answers: { 200: 'A page of orders, without how far each is' },
  },
  {
    method: 'get',
    path: '/v1/revocations/{id}',
    summary: 'How far an order has come',
    roles: ['security', 'auditor'],
    answers: { 200: 'The order' },
  },
  {
    method: 'post',
    path: '/v1/revocations/{id}/lift',
    summary: 'Stop an order’s blocking',
    roles: ['security'],
    body: LiftBody,
    answers: { 200: 'Lifted', 202: 'Asked for: somebody else has to lift it' },
  },
];
