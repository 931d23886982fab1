import type { Socket } from 'node:net';
import { makeCutter, textOf, type Frame, type PgMessage, type Side } from './pg-messages.ts';
import type { Statements } from './pg-statements.ts';

export interface Direction {
  readonly from: Side;
  readonly source: Socket;
  readonly sink: Socket;
  readonly connection: number;
  readonly statements: Statements;
  /** What to send on for a message: a promise only if it has to wait, `undefined` if it is lost and the connection cut. */
  pass(message: PgMessage, raw: Buffer): Buffer | Promise<Buffer | undefined>;
}

/**
 * Forwards one direction of a connection, message by message and in order. What was read is delivered even when the source
 * has died meanwhile, and the sink's end follows only then.
 */
export function forward(direction: Direction): void {
  const { from, source, sink, pass } = direction;
  const cut = makeCutter(from);
  const queue: { message: PgMessage; raw: Buffer }[] = [];
  let running = false;
  let ended = false;

  const run = async () => {
    if (running) return;
    running = true;
    sink.cork();
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { message, raw } = next;
      const passed = pass(message, raw);
      let bytes: Buffer | undefined;
      if (passed instanceof Promise) {
        sink.uncork();
        bytes = await passed;
        sink.cork();
      } else {
        bytes = passed;
      }
      if (bytes === undefined) {
        queue.length = 0;
        source.destroy();
        sink.destroy();
      } else if (message.type === 'ssl' || message.type === 'gss') {
        source.write('N'); // no encryption here; the client goes on in the clear
      } else if (!sink.destroyed) {
        sink.write(bytes);
      }
    }
    sink.uncork();
    running = false;
    if (ended) sink.end();
  };

  source.on('data', (chunk: Buffer) => {
    for (const frame of cut(chunk)) queue.push({ message: read(direction, frame), raw: frame.raw });
    void run();
  });
  source.on('error', () => undefined); // `close` follows
  source.on('close', () => {
    ended = true;
    void run();
  });
}

function read({ from, connection, statements }: Direction, { type, body }: Frame): PgMessage {
  const sql = statements.sqlOf(from, type, body);
  return {
    from,
    type,
    connection,
    body,
    sql,
    get text() {
      return textOf(from, type, body);
    },
  };
}
