/** An Express server that does nothing: it reads a body of JSON, waits as long as that says, and answers as much as an issuance. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import express from 'express';
import { answerWith } from './helper-process.ts';

const ANSWER_CHARS = 900;

const app = express();
app.use(express.json());
app.post('/', async (req, res) => {
  const since = performance.now();
  await wait((req.body as { readonly ms: number }).ms);
  res.status(201).json({ credential: 'x'.repeat(ANSWER_CHARS), waited_ms: performance.now() - since });
});

const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
await answerWith({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, () => Promise.resolve({}));
server.close();
