import { TokenForm } from '../oauth.ts';
import { ExchangeForm } from '../token-endpoint.ts';
import type { Operation } from './operation.ts';

export const OAUTH: readonly Operation[] = [
  {
    method: 'post',
    path: '/oauth/token',
    summary: 'RFC 8693: exchange a task token that was handed over for a narrower one',
    workload: true,
    form: ExchangeForm,
    answers: { 200: 'The task token' },
  },
  {
    method: 'post',
    path: '/oauth/introspect',
    summary: 'RFC 7662',
    workload: true,
    form: TokenForm,
    answers: { 200: 'The token’s claims, or {"active": false}' },
  },
  {
    method: 'post',
    path: '/oauth/revoke',
    summary: 'RFC 7009',
    workload: true,
    form: TokenForm,
    answers: { 200: 'The token is not active' },
  },
  { method: 'get', path: '/.well-known/oauth-authorization-server', summary: 'RFC 8414', answers: { 200: 'Metadata' } },
  {
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'The keys that sign tokens',
    answers: { 200: 'A JWK set' },
  },
];
