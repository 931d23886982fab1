import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { ask as askAws } from '../../src/providers/aws/call.ts';
import { makeClients } from '../../src/providers/aws/clients.ts';
import { AwsConfig } from '../../src/providers/aws/config.ts';
import { makeWire, originOf } from '../../src/providers/vault/wire.ts';

/** In seconds as it is announced; Node's clients take one less. */
const KEPT_SECONDS = 2;

/**
 * A request that goes out while the server closes its connection is lost, and nobody knows whether it was heeded. Servers say for how long
 * they keep what is idle (`Keep-Alive: timeout`); who asked them closes before that. What is asked on such a connection may take longer.
 */
let server: Server;
let url: string;
let closedFirst: Promise<'client' | 'server'>;
let connections: number;
let takesMs: number;
const { signal } = new AbortController();

beforeEach(async () => {
  [connections, takesMs] = [0, 0];
  server = createServer((_request, response) => {
    void sleep(takesMs).then(() => response.end('<GetCallerIdentityResponse/>'));
  });
  server.keepAliveTimeout = KEPT_SECONDS * 1_000;
  server.on('connection', () => connections++);
  closedFirst = new Promise((resolve) => {
    server.once('connection', (socket: Socket) => {
      socket.once('end', () => resolve('client')).once('close', () => resolve('server'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.close();
});

function vault() {
  const wire = makeWire();
  const ask = () => wire.send({ method: 'GET', to: originOf(url), path: '/v1/sys/health', headers: {}, signal });
  return { ask, close: () => wire.close() };
}

function aws() {
  const credentials = { access_key_id: 'X'.repeat(20), secret_access_key: 'of-no-account' };
  const config = AwsConfig.parse({ region: 'eu-central-1', endpoint: url, scoped: 'off', credentials });
  const readFile = () => Promise.reject(new Error('no file is read'));
  const clients = makeClients(config, { clock: { now: () => new Date(), offsetMs: () => 0 }, readFile });
  const sts = clients.sts('eu-central-1');
  const identify = () => {
    const command = new GetCallerIdentityCommand();
    return askAws(signal, command, (options) => sts.send(command, options));
  };
  return { ask: identify, close: () => clients.close() };
}

describe.each(Object.entries({ vault, aws }))('%s', (_name, open) => {
  test('what is idle is closed from here', async () => {
    const { ask, close } = open();
    await ask();
    await expect(closedFirst).resolves.toBe('client');
    close();
  });

  test('an answer on it may take longer than what is idle is kept', async () => {
    const { ask, close } = open();
    await ask();
    takesMs = KEPT_SECONDS * 1_000;
    await ask();
    expect(connections).toBe(1);
    close();
  });
});
