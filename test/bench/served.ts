/** An Express server with nothing in it but the work: it reads a body of JSON, and answers as much as an issuance. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';

const ANSWER_CHARS = 900;

/** @param work - is told what the body says; its answer is not sent. Answers the server's address. */
export async function serve(work: (asked: unknown) => Promise<unknown>): Promise<string> {
  const app = express();
  app.use(express.json());
  app.post('/', async (req, res) => {
    await work(req.body);
    res.status(201).json({ credential: 'x'.repeat(ANSWER_CHARS) });
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
