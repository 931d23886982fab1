/**
 * So many writers in one process, which do what replicas do, and worse: transactions of a few events, of which some are rolled back and
 * some are left open for a while. Says on stdout what it was told of each: `+ id count` committed, `- id` rolled back. argv: a
 * database's URL, how many writers, and what their ids begin with. Ends when its standard input does, or is killed.
 */
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';

const [url = '', writers = '', prefix = ''] = process.argv.slice(2);
let over = false;
process.stdin.resume().once('close', () => (over = true));

const EVENT = `select emit_own_event('evidence.refused', system_actor('test'), null, null, false, jsonb_build_object('id', $1::text, 'n', $2::int))`;
const chance = (share: number) => Math.random() < share;

async function connect(): Promise<pg.Client | undefined> {
  const client = new pg.Client({ connectionString: url, application_name: 'writer' });
  client.on('error', () => undefined); // cut by the test
  return client.connect().then(
    () => client,
    () => undefined,
  );
}

async function transaction(client: pg.Client, id: string): Promise<void> {
  const count = 1 + Math.floor(Math.random() * 4);
  await client.query('begin');
  for (let n = 0; n < count; n++) {
    await client.query(EVENT, [id, n]);
    if (chance(0.1)) await sleep(Math.random() * 40);
  }
  if (chance(0.3)) {
    await client.query('rollback');
    process.stdout.write(`- ${id}\n`);
  } else {
    await client.query('commit');
    process.stdout.write(`+ ${id} ${count}\n`);
  }
}

async function write(writer: number): Promise<void> {
  let client: pg.Client | undefined;
  for (let n = 0; !over; n++) {
    client ??= await connect();
    if (!client) await sleep(20);
    else {
      await transaction(client, `${prefix}-${writer}-${n}`).catch(() => {
        client = undefined;
      });
    }
    await sleep(Math.random() * 30);
  }
  await client?.end();
}

await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer)));
