import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { makeMessages } from '../../src/http/messages.ts';

/** What Node makes is what Express would make of it, from its birth: Express finds nothing to change. */
test('requests and answers belong to the app before it is asked, and can do what an app gives them', async () => {
  const app = express();
  const messages = makeMessages();
  const born: unknown[] = [];
  const server = createServer(messages.classes, (req, res) => {
    born.push(Object.getPrototypeOf(req), Object.getPrototypeOf(res));
    app(req, res);
    born.push(Object.getPrototypeOf(req), Object.getPrototypeOf(res));
  });
  messages.belongTo(app);
  app.set('trust proxy', true);
  app.get('/:what', (req, res) => {
    const sameApp = req.app === app && res.app === app && req.res === res && res.req === req;
    res.status(201).json({ sameApp, what: req.params['what'], ip: req.ip, accepts: req.accepts('json') });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const headers = { 'x-forwarded-for': '192.0.2.7', connection: 'close' };
  const answer = await fetch(`http://127.0.0.1:${port}/this`, { headers });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([201, 'application/json; charset=utf-8']);
  expect(await answer.json()).toEqual({ sameApp: true, what: 'this', ip: '192.0.2.7', accepts: 'json' });
  expect(born[0]).toBe(app.request);
  expect(born[1]).toBe(app.response);
  expect(born[2]).toBe(born[0]);
  expect(born[3]).toBe(born[1]);
  server.close();
  await once(server, 'close');
});

test('before there is an app they are those of Node', async () => {
  const server = createServer(makeMessages().classes, (_req, res) => res.writeHead(503, { connection: 'close' }).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(503);
  server.close();
  await once(server, 'close');
});
