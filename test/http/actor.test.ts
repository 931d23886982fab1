import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Identity } from '../../src/domain/identity.ts';
import { answerTokenErrors } from '../../src/http/errors.ts';
import { tokenRouter } from '../../src/http/token-endpoint.ts';
import { caller } from '../exchange/world.ts';

/** The bearer of an exchange and its actor are one and the same workload: by trust entry as well as by id. */
test.each<{ name: string; actor: Identity; status: number }>([
  { name: 'itself', actor: caller('one').identity, status: 500 },
  { name: 'another', actor: caller('two').identity, status: 400 },
  { name: 'a namesake of another trust entry', actor: caller('one', { trust: 'corp' }).identity, status: 400 },
])('$name: $status', async ({ actor, status }) => {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const handedOn = Object.assign(new Error('as far as this'), { status: 500 });
  const app = express().use(
    tokenRouter(
      { delegate: () => Promise.reject(handedOn), attest: () => Promise.resolve(actor), issuer: 'https://writ.test' },
      (_req, res, next) => {
        Object.assign(res.locals, { principal: { kind: 'workload', identity: caller('one').identity }, origin: null });
        next();
      },
      answerTokenErrors(log),
    ),
  );
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'x',
      subject_token_type: 'urn:ietf:params:oauth:token-type:txn_token',
      actor_token: 'y',
      actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth/token`;
    const answer = await fetch(url, { method: 'POST', body: form });
    expect([answer.status, await answer.json()]).toEqual([status, expect.anything()]);
  } finally {
    server.close();
  }
});
