import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { ask } from '../../src/providers/aws/call.ts';
import { makeClients } from '../../src/providers/aws/clients.ts';
import { AwsConfig } from '../../src/providers/aws/config.ts';
import { makeWire, originOf } from '../../src/providers/vault/wire.ts';

/**
 * A request that goes out while the server closes its connection is lost, and nobody knows whether it was heeded. Servers say for how long
 * they keep what is idle (`Keep-Alive: timeout`, in seconds); who asked them closes before that.
 */
let server: Server;
let url: string;
let closedFirst: Promise<'client' | 'server'>;
const { signal } = new AbortController();

beforeEach(async () => {
  server = createServer((_request, response) => response.end('<GetCallerIdentityResponse/>'));
  server.keepAliveTimeout = 2_000;
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

test('what is idle at Vault is closed from here', async () => {
  const wire = makeWire();
  await wire.send({ method: 'GET', to: originOf(url), path: '/v1/sys/health', headers: {}, signal });
  await expect(closedFirst).resolves.toBe('client');
  wire.close();
});

test('what is idle at AWS is closed from here', async () => {
  const credentials = { access_key_id: 'X'.repeat(20), secret_access_key: 'of-no-account' };
  const config = AwsConfig.parse({ region: 'eu-central-1', endpoint: url, scoped: 'off', credentials });
  const readFile = () => Promise.reject(new Error('no file is read'));
  const clients = makeClients(config, { clock: { now: () => new Date(), offsetMs: () => 0 }, readFile });
  const [sts, command] = [clients.sts('eu-central-1'), new GetCallerIdentityCommand()];
  await ask(signal, command, (options) => sts.send(command, options));
  await expect(closedFirst).resolves.toBe('client');
  clients.close();
});
