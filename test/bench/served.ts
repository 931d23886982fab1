/** An Express server with nothing in it but the work: it reads a body of JSON, and answers as much as an issuance. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import express from 'express';
import type { ErrorRequestHandler } from 'express';

const ANSWER_CHARS = 900;

/** Whoever measures is told what went wrong. */
const sayWhy: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) next(error);
  else res.status(500).send(inspect(error));
};

/** @param work - is told what the body says; its answer is not sent. Answers the server's address. */
export async function serve(work: (asked: unknown) => Promise<unknown>): Promise<string> {
  const app = express();
  app.use(express.json());
  app.post('/', async (req, res) => {
    await work(req.body);
    res.status(201).json({ credential: 'x'.repeat(ANSWER_CHARS) });
  });
  app.use(sayWhy);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
